// Recordings that are to come: the list, a form for one more, and giving one up.

import { get, post, remove } from "./api.js";
import { Outcome, confirm } from "./dialog.js";
import { add, badge, cell, el, field, heading, row, select, table } from "./dom.js";
import { duration, point, seconds } from "./format.js";

const KINDS = { done: "good", running: "active", failed: "bad", missed: "bad" };
const WAITING = ["queued", "scheduled", "running"];

export class Jobs {
  #shown = false;
  #outcome = new Outcome();
  #listed = new Outcome();
  #table = table("Jobs", [["Job"], ["State"], ["When"], ["Length"], ["Participant"], ["Label"], ["Recording"], ["Reason"], ["Action"]]);

  constructor(root, live) {
    this.none = el("p", { class: "soft" }, "No jobs yet.");
    this.#table.whole.classList.add("cards");
    add(
      root,
      el(
        "section",
        { class: "panel", "aria-labelledby": "job-title" },
        el("h3", { id: "job-title" }, "Add a recording"),
        this.#form(),
        this.#outcome.nodes,
      ),
      el(
        "section",
        { class: "panel", "aria-labelledby": "job-list-title" },
        el("h3", { id: "job-list-title" }, "Queue"),
        this.none,
        this.#table.whole,
        this.#listed.nodes,
      ),
    );
    live.on("jobs", () => this.#shown && this.#load());
    live.on("open", () => this.#shown && this.#load());
  }

  show() {
    this.#shown = true;
    this.#load();
  }

  hide() {
    this.#shown = false;
  }

  #form() {
    const plain = { autocomplete: "off", spellcheck: "false", maxlength: "200" };
    this.length = el("input", { ...plain, id: "job-length", required: true });
    this.participant = el("input", { ...plain, id: "job-participant" });
    this.label = el("input", { ...plain, id: "job-label" });
    this.when = select(
      [
        ["now", "as soon as the recorder is free"],
        ["at", "at a time"],
        ["in", "after a while"],
      ],
      { id: "job-when", change: () => this.#choose() },
    );
    this.at = el("input", { type: "datetime-local", id: "job-at", step: "1" });
    this.after = el("input", { ...plain, id: "job-in" });
    this.every = el("input", { ...plain, id: "job-every" });
    this.atField = field("Time (this device's clock)", this.at);
    this.afterField = field("From now", this.after, "such as 10m");
    this.everyField = field("Again every", this.every, "such as 1d; empty: once");
    const form = el(
      "form",
      { class: "fields", novalidate: true, submit: (event) => this.#add(event) },
      field("Duration", this.length, "seconds, or such as 10m"),
      field("Participant", this.participant),
      field("Label", this.label),
      field("When", this.when),
      this.atField,
      this.afterField,
      this.everyField,
      el("div", { class: "actions" }, el("button", { class: "primary" }, "Add")),
    );
    this.#choose();
    return form;
  }

  #choose() {
    this.atField.hidden = this.when.value !== "at";
    this.afterField.hidden = this.when.value !== "in";
    this.everyField.hidden = this.when.value === "now";
  }

  async #add(event) {
    event.preventDefault();
    const well = await this.#outcome.of(async () => {
      const duration_s = seconds(this.length.value);
      if (!duration_s) throw new Error("Say how long the recording shall be, such as 10m.");
      const job = await post("/api/jobs", {
        duration_s,
        start_at: this.#start(),
        repeat_s: this.when.value === "now" ? 0 : seconds(this.every.value),
        participant: this.participant.value.trim(),
        label: this.label.value.trim(),
      });
      return `Job ${job.id}: ${whenOf(job)}, for ${duration(job.duration_s)}.`;
    });
    if (well) await this.#load();
  }

  /** ISO 8601, or null where it may begin at once. */
  #start() {
    if (this.when.value === "now") return null;
    if (this.when.value === "at") {
      if (!this.at.value) throw new Error("Say when the recording shall begin.");
      return new Date(this.at.value).toISOString();
    }
    const wait = seconds(this.after.value);
    if (!wait) throw new Error("Say after what time the recording shall begin, such as 10m.");
    return new Date(Date.now() + wait * 1000).toISOString();
  }

  #load() {
    return this.#listed.of(async () => {
      const { jobs } = await get("/api/jobs");
      this.none.hidden = jobs.length > 0;
      this.#table.whole.hidden = jobs.length === 0;
      this.#table.body.replaceChildren(...jobs.map((job) => this.#row(job)));
    });
  }

  #row(job) {
    const waits = WAITING.includes(job.state);
    const cancel =
      waits &&
      el("button", { type: "button", class: "small", "aria-label": `Cancel job ${job.id}`, click: () => this.#cancel(job) }, "Cancel …");
    const texts = {
      When: whenOf(job),
      Length: duration(job.duration_s),
      Participant: job.participant,
      Label: job.label,
      Recording: job.recording_id,
      Reason: job.reason,
    };
    return row(
      heading(el("code", {}, job.id)),
      cell(badge(job.state, KINDS[job.state]), "", "State"),
      Object.entries(texts).map(([name, text]) => cell(text ?? "", "", name)),
      cell(cancel, "", "Action"),
    );
  }

  async #cancel(job) {
    const repeats = job.repeat_s ? " It comes no more." : "";
    const runs = job.state === "running" ? " What it records is removed from this machine." : "";
    const answer = await confirm({
      title: `Cancel job ${job.id}?`,
      text: `${whenOf(job)}, for ${duration(job.duration_s)}.${repeats}${runs}`,
      yes: "Cancel the job",
    });
    if (!answer) return;
    await this.#outcome.of(async () => {
      await remove(`/api/jobs/${encodeURIComponent(job.id)}`);
      return `Job ${job.id} is cancelled.`;
    });
    await this.#load();
  }
}

function whenOf(job) {
  const time = job.started_at || job.start_at;
  const every = job.repeat_s ? `, every ${duration(job.repeat_s)}` : "";
  return time ? `${point(time)}${every}` : "as soon as the recorder is free";
}
