// Start, stop, cancel and trigger, and what the recorder does.

import { post } from "../api.js";
import { Outcome, confirm } from "../dialog.js";
import { add, el, field, setText } from "../dom.js";
import { bytes, clock, duration, seconds } from "../format.js";
import { linkTo } from "../sessions/words.js";

const WORDS = {
  absent: "No recorder answers",
  boot: "The recorder starts up",
  idle: "Ready",
  starting: "Starting: waiting for every device",
  recording: "Recording",
  stopping: "Stopping",
  error: "Error",
};

export class Recording {
  #state = "";
  #id = "";
  #lookback_s = 0;
  #outcome = new Outcome();

  constructor(root, rig, live) {
    if (!rig.recorder) {
      add(root, el("p", { class: "soft" }, "This rig's profile has no recorder."));
      return;
    }
    this.#lookback_s = rig.lookback_s;
    this.#build(root, rig);
    live.on("status", (status) => this.#show(status));
    live.on("lost", () => this.#lose());
  }

  #build(root, rig) {
    const name = (id) => ({ id, autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: "200" });
    this.participant = el("input", name("participant"));
    this.label = el("input", name("label"));
    this.length = el("input", { ...name("length"), placeholder: "until stopped" });
    this.startButton = el("button", { class: "primary" }, "Start");
    this.stopButton = el("button", { type: "button", click: () => this.#stop() }, "Stop");
    this.cancelButton = el("button", { type: "button", class: "danger", click: () => this.#cancel() }, "Cancel …");
    this.triggerButton = el("button", { type: "button", click: () => this.#trigger() }, "Save event");
    this.buttons = [this.startButton, this.stopButton, this.cancelButton, this.triggerButton];
    this.word = el("strong", { class: "word" }, "–");
    this.time = el("span", { class: "time" });
    this.detail = el("p", { class: "detail" });
    this.facts = el("dl", { class: "facts" });
    this.fields = el(
      "fieldset",
      { class: "plain" },
      el("legend", { class: "hidden" }, "The next recording"),
      field("Participant", this.participant),
      field("Label", this.label),
      field("Duration", this.length, "seconds, or such as 10m; empty: until it is stopped"),
    );
    this.lamp = el(
      "div",
      { class: "lamp", "data-state": "unknown" },
      el("span", { class: "dot", "aria-hidden": "true" }),
      this.word,
      this.time,
    );
    add(
      root,
      this.lamp,
      this.detail,
      this.facts,
      el(
        "form",
        { submit: (event) => this.#start(event), novalidate: true },
        this.fields,
        el("div", { class: "actions" }, this.startButton, this.stopButton, this.cancelButton, rig.lookback_s > 0 && this.triggerButton),
      ),
      this.#outcome.nodes,
    );
    this.#allow("unknown");
  }

  async #start(event) {
    event.preventDefault();
    if (this.startButton.disabled) return;
    const well = await this.#run(this.startButton, async () => {
      const duration_s = seconds(this.length.value);
      const wish = { participant: this.participant.value.trim(), label: this.label.value.trim(), duration_s };
      const answer = await post("/api/recording/start", wish);
      return `Recording ${answer.recording_id}${duration_s ? `, for ${duration(duration_s)}` : ""}.`;
    });
    if (well) this.stopButton.focus();
  }

  #stop() {
    return this.#run(this.stopButton, async () => {
      const answer = await post("/api/recording/stop");
      const name = answer.path.split("/").findLast(Boolean);
      return [`Recorded ${answer.recording_id}. `, el("a", { href: linkTo(name) }, "Look at it")];
    });
  }

  async #cancel() {
    const answer = await confirm({
      title: "Cancel this recording?",
      text: `${this.#id || "It"} ends without being uploaded, and its data is removed from this machine.`,
      yes: "Cancel the recording",
      no: "Go on recording",
      option: "Keep the data on this machine",
    });
    if (!answer) return;
    await this.#run(this.cancelButton, async () => {
      const done = await post("/api/recording/cancel", { keep: answer.ticked });
      return `Cancelled ${done.recording_id}; ${answer.ticked ? "its data is kept" : "its data is removed"}.`;
    });
  }

  #trigger() {
    return this.#run(this.triggerButton, async () => {
      const answer = await post("/api/recording/trigger", { label: this.label.value.trim() });
      return `Saving the event as ${answer.recording_id}.`;
    });
  }

  /** While the rig answers nothing else can be asked of it, but a start that waits can be given up. */
  async #run(button, action) {
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    const well = await this.#outcome.of(action);
    button.removeAttribute("aria-busy");
    this.#allow(this.#state);
    return well;
  }

  #show(status) {
    const recorder = status.recorder;
    const state = recorder?.state ?? "absent";
    this.#id = recorder?.recording_id ?? "";
    setText(this.word, WORDS[state] ?? state);
    setText(this.time, state === "recording" ? clock(recorder.elapsed_s) : "");
    setText(this.detail, recorder?.detail ?? "");
    this.lamp.dataset.state = state;
    const facts = [];
    if (this.#id) facts.push(["Session", this.#id]);
    if (this.#id) facts.push(["Written", bytes(recorder.bytes)]);
    if (recorder) facts.push(["Free", bytes(recorder.free_bytes)]);
    if (this.#lookback_s && state === "idle") facts.push(["Look-back", duration(this.#lookback_s)]);
    const text = JSON.stringify(facts);
    if (this.facts.dataset.shown !== text) {
      this.facts.dataset.shown = text;
      this.facts.replaceChildren(...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
    }
    this.#allow(state);
  }

  /** What the recorder does is not known any more. */
  #lose() {
    setText(this.word, "Not connected");
    setText(this.time, "");
    this.lamp.dataset.state = "unknown";
    this.#allow("unknown");
  }

  #allow(state) {
    this.#state = state;
    const ready = state === "idle" || state === "error";
    const running = state === "recording" || state === "starting";
    const allowed = [ready, running, running, ready || state === "recording"];
    const busy = (button) => button.hasAttribute("aria-busy");
    const focused = document.activeElement;
    for (const [place, button] of this.buttons.entries()) button.disabled = busy(button) || !allowed[place];
    this.startButton.textContent = busy(this.startButton) ? "Starting …" : "Start";
    this.stopButton.textContent = busy(this.stopButton) ? "Stopping …" : "Stop";
    this.fields.disabled = running || state === "stopping";
    // Who works with the keyboard is not thrown back to the top because the button he used is out of use now.
    if (this.buttons.includes(focused) && focused.disabled)
      (this.buttons.find((button) => !button.disabled && button.isConnected) ?? this.word).focus?.();
  }
}
