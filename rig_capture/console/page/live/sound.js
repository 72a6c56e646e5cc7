// Levels of every channel of every microphone, and listening in to one of them.

import { Outcome } from "../dialog.js";
import { add, el, setAttribute, setText } from "../dom.js";
import { figure, known } from "../format.js";
import { Listener } from "./listener.js";

const LOWEST_DBFS = -60;
const MARKS = [-60, -48, -36, -24, -12, 0];
/** Marks that small screens have no room for. */
const MINOR = [-48, -24];
/** A peak is held for so long, then falls by so much per second. */
const HOLD_S = 1.5;
const FALL_DB_S = 20;
/** A clipping mark stays for so long. */
const CLIPPING_S = 3;
/** Figures change so often at most: faster can't be read. */
const FIGURES_S = 0.3;
const SILENT_S = 2;

export class Sound {
  #live;
  #names;
  #microphones;
  #clock = null;

  constructor(root, rig, live) {
    this.#live = live;
    this.#names = rig.microphones.map((microphone) => microphone.name);
    if (!this.#names.length) {
      add(root, el("p", { class: "soft" }, "This rig has no microphones."));
      this.#microphones = new Map();
      return;
    }
    const listening = new Listening(live);
    this.#microphones = new Map(rig.microphones.map((microphone) => [microphone.name, new Microphone(microphone, listening)]));
    root.querySelector("h3").after(listening.tools);
    add(root, listening.note, ...[...this.#microphones.values()].map((microphone) => microphone.root));
    live.on("levels", (message) => this.#microphones.get(message.microphone)?.take(message.channels));
  }

  show() {
    this.#live.want({ levels: this.#names });
    clearInterval(this.#clock);
    this.#clock = setInterval(() => this.#microphones.forEach((microphone) => microphone.age()), 1000);
  }

  hide() {
    // Listening goes on while something else is looked at.
    clearInterval(this.#clock);
    this.#live.want({ levels: [] });
  }
}

/** What is listened to, at most one channel at a time. */
class Listening {
  #live;
  #listener;
  #pressed = null;
  #outcome = new Outcome();

  constructor(live) {
    this.#live = live;
    this.#listener = new Listener(live);
    const volume = el("input", { type: "range", min: "0", max: "1", step: "0.05", value: "0.8", id: "volume" });
    volume.addEventListener("input", () => this.#listener.setVolume(Number(volume.value)));
    this.tools = el("div", { class: "tools" }, el("label", { for: "volume" }, "Volume"), volume);
    this.note = el("div", {}, this.#outcome.nodes);
  }

  async toggle(button, microphone, channel) {
    const begin = this.#pressed !== button;
    if (this.#pressed) setAttribute(this.#pressed, "aria-pressed", "false");
    this.#pressed = null;
    if (!begin) {
      this.#live.want({ listen: null });
      await this.#listener.stop();
      return;
    }
    const well = await this.#outcome.of(() => this.#listener.start());
    if (!well) return;
    this.#pressed = button;
    setAttribute(button, "aria-pressed", "true");
    this.#live.want({ listen: { microphone, channel } });
  }
}

class Microphone {
  #heard = null;

  constructor(microphone, listening) {
    this.channels = microphone.channels.map((channel, number) => new Channel(microphone.name, channel, number, listening));
    this.silence = el("span", { class: "soft" });
    const ruler = el("div", { class: "ruler", "aria-hidden": "true" });
    for (const mark of MARKS) {
      const tick = el("span", { class: MINOR.includes(mark) ? "minor" : null }, String(mark).replace("-", "−"));
      tick.style.left = `${share(mark) * 100}%`;
      ruler.append(tick);
    }
    this.root = el(
      "div",
      { class: "microphone" },
      el("h4", {}, microphone.name, " ", el("span", { class: "soft" }, figure(microphone.rate_hz / 1000, 1, "kHz")), " ", this.silence),
      this.channels.map((channel) => channel.root),
      el("div", { class: "channel" }, el("span", { class: "soft small" }, "dBFS"), ruler),
    );
  }

  take(channels) {
    this.#heard = performance.now();
    this.channels.forEach((channel, number) => channels[number] && channel.take(channels[number]));
  }

  age() {
    const silent_s = this.#heard === null ? null : (performance.now() - this.#heard) / 1000;
    const old = silent_s === null || silent_s > SILENT_S;
    setText(this.silence, !old ? "" : silent_s === null ? "waiting for levels" : `no levels for ${silent_s.toFixed(0)} s`);
    if (old) this.channels.forEach((channel) => channel.clear());
  }
}

class Channel {
  #hold = -Infinity;
  #held = 0;
  #last = 0;
  #clipped = -Infinity;
  #told = 0;

  constructor(microphone, name, number, listening) {
    this.rest = el("div", { class: "rest" });
    this.peak = el("div", { class: "peak" });
    this.meter = el(
      "div",
      {
        class: "meter",
        role: "meter",
        "aria-label": `Level of ${microphone}, ${name}`,
        "aria-valuemin": LOWEST_DBFS,
        "aria-valuemax": "0",
        "aria-valuenow": LOWEST_DBFS,
      },
      this.rest,
      this.peak,
    );
    this.figures = el("span", { class: "numbers figures", title: "root mean square / peak, dBFS" });
    this.words = el("span", { class: "words" });
    const listen = el(
      "button",
      { type: "button", class: "small", "aria-pressed": "false", "aria-label": `Listen to ${microphone}, ${name}` },
      "Listen",
    );
    listen.addEventListener("click", () => listening.toggle(listen, microphone, number));
    this.root = el("div", { class: "channel" }, el("span", { class: "name" }, name), this.meter, this.figures, listen, this.words);
    this.clear();
  }

  take(level) {
    const now = performance.now() / 1000;
    const [rms, peak] = [level.rms_dbfs ?? -Infinity, level.peak_dbfs ?? -Infinity];
    if (now - this.#held > HOLD_S) this.#hold -= FALL_DB_S * Math.min(1, now - this.#last);
    if (peak >= this.#hold) [this.#hold, this.#held] = [peak, now];
    this.#last = now;
    if (level.clipping) this.#clipped = now;
    this.rest.style.transform = `scaleX(${1 - share(rms)})`;
    this.peak.style.left = `${share(this.#hold) * 100}%`;
    if (now - this.#told < FIGURES_S) return;
    this.#told = now;
    setAttribute(this.meter, "aria-valuenow", known(level.rms_dbfs) ? Math.max(LOWEST_DBFS, Math.round(rms)) : LOWEST_DBFS);
    setAttribute(this.meter, "aria-valuetext", known(level.rms_dbfs) ? `${Math.round(rms)} dBFS` : "silent");
    setText(this.figures, `${db(level.rms_dbfs)} / ${db(level.peak_dbfs)}`);
    this.#tell(level, now - this.#clipped < CLIPPING_S);
  }

  /** What is wrong with the channel, in words. */
  #tell(level, clipping) {
    const words = [
      clipping && ["clipping", "bad"],
      level.flatline && ["no signal", "bad"],
      level.low && ["low", "warn"],
      level.speech && ["voice", ""],
    ];
    const shown = words.filter(Boolean);
    const text = shown.map(([word]) => word).join(" ");
    if (this.words.textContent.trim() === text.replaceAll(" ", "")) return;
    this.words.replaceChildren(...shown.map(([word, kind]) => el("span", { class: `badge ${kind}` }, word)));
  }

  clear() {
    this.rest.style.transform = "scaleX(1)";
    this.peak.style.left = "0";
    setText(this.figures, "– / –");
    this.words.replaceChildren();
  }
}

function share(dbfs) {
  return Math.min(1, Math.max(0, 1 - dbfs / LOWEST_DBFS));
}

function db(value) {
  return known(value) ? String(Math.round(value) || 0).replace("-", "−") : "−∞";
}
