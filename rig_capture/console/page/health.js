// What is wrong with the rig now, and what was.

import { get } from "./api.js";
import { add, badge, byId, el, setText } from "./dom.js";
import { point } from "./format.js";

const SEVERITIES = [
  ["info", ""],
  ["warning", "warn"],
  ["error", "bad"],
];
const MOST_EVENTS = 200;

export class Health {
  #open = new Map();
  #events = [];
  #count;
  #known = false;

  constructor(root, counter, live) {
    this.#count = counter;
    this.openList = el("ul", { class: "events" });
    this.none = el("p", { class: "soft" });
    this.eventList = el("ol", { class: "events" });
    this.noEvents = el("p", { class: "soft" }, "Nothing has happened since this console started.");
    add(
      root,
      el(
        "section",
        { class: "panel", "aria-labelledby": "open-title" },
        el("h3", { id: "open-title" }, "Open problems"),
        this.none,
        this.openList,
      ),
      el(
        "section",
        { class: "panel", "aria-labelledby": "events-title" },
        el("h3", { id: "events-title" }, "Events, newest first"),
        this.noEvents,
        this.eventList,
      ),
    );
    live.on("health", (message) => this.#take(message));
    // What happened before this page was there, or while it was not connected.
    live.on("open", async () => this.#take(await get("/api/health").catch(() => ({}))));
  }

  #take(message) {
    if (message.open) this.#open = new Map(message.open.map((event) => [keyOf(event), event]));
    if (message.events) this.#events = message.events.slice(0, MOST_EVENTS);
    const event = message.event;
    if (event) {
      this.#events = [event, ...this.#events].slice(0, MOST_EVENTS);
      // Only what is bad is read aloud; the rest can be looked up.
      if (event.severity === 2 && !event.recovered) setText(byId("announcer"), `Error: ${event.message}`);
    }
    this.#known = true;
    this.#show();
  }

  #show() {
    const open = [...this.#open.values()].sort((one, other) => other.severity - one.severity || other.stamp_ns - one.stamp_ns);
    setText(this.none, !this.#known ? "" : open.length ? "" : "None: the rig is well.");
    this.none.hidden = open.length > 0;
    this.openList.replaceChildren(...open.map((event) => entry(event, true)));
    this.noEvents.hidden = this.#events.length > 0;
    this.eventList.replaceChildren(...this.#events.map((event) => entry(event, false)));
    this.#count.hidden = open.length === 0;
    this.#count.classList.toggle(
      "bad",
      open.some((event) => event.severity === 2),
    );
    this.#count.replaceChildren(String(open.length), el("span", { class: "hidden" }, " open"));
  }
}

function keyOf(event) {
  return JSON.stringify([event.node, event.code, event.subject]);
}

function entry(event, open) {
  const [word, kind] = event.recovered ? ["recovered", "good"] : (SEVERITIES[event.severity] ?? ["event", ""]);
  return el(
    "li",
    { class: open ? `open ${kind}` : null },
    el(
      "div",
      { class: "event-head" },
      badge(word, kind),
      el("code", {}, event.code),
      el("span", { class: "soft" }, event.node),
      el("time", { class: "soft numbers" }, point(event.stamp_ns / 1e9)),
    ),
    el("p", {}, event.message),
  );
}
