// The sessions on this machine: filtered by state and text, the newest first, more on request.

import { get } from "../api.js";
import { Outcome } from "../dialog.js";
import { add, cell, el, field, heading, row, select, setText, table } from "../dom.js";
import { bytes, count, duration, point } from "../format.js";
import { STATES, linkTo, states } from "./words.js";

const PAGE = 25;
/** Typing is waited for so long before it is asked. */
const TYPING_MS = 250;

export class Sessions {
  #shown = false;
  #limit = PAGE;
  #timer = null;
  #asked = 0;
  #outcome = new Outcome();
  #table = table("Sessions", [
    ["Session"],
    ["State"],
    ["Participant"],
    ["Label"],
    ["Begun"],
    ["Length", "number"],
    ["Size", "number"],
    ["Lost", "number"],
  ]);

  constructor(root, live) {
    this.text = el("input", {
      type: "search",
      id: "session-text",
      autocomplete: "off",
      spellcheck: "false",
      input: () => this.#soon(TYPING_MS),
    });
    this.state = select([["", "all"], ...STATES.map((state) => [state, state])], { id: "session-state", change: () => this.#soon(0) });
    this.found = el("p", { class: "soft", role: "status" });
    this.more = el("button", { type: "button", click: () => this.#more() }, "Show more");
    this.#table.whole.classList.add("cards");
    add(
      root,
      el(
        "div",
        { class: "panel" },
        el(
          "form",
          { class: "fields", role: "search", submit: (event) => event.preventDefault() },
          field("Find", this.text),
          field("State", this.state),
        ),
        this.found,
        this.#table.whole,
        el("div", { class: "actions" }, this.more),
        this.#outcome.nodes,
      ),
    );
    live.on("sessions", () => this.#shown && this.#soon(TYPING_MS, false));
    live.on("open", () => this.#shown && this.#soon(0, false));
  }

  show() {
    this.#shown = true;
    this.#load();
  }

  hide() {
    this.#shown = false;
    clearTimeout(this.#timer);
  }

  #soon(wait_ms, fresh = true) {
    if (fresh) this.#limit = PAGE;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load(), wait_ms);
  }

  async #more() {
    const before = this.#table.body.rows.length;
    this.#limit += PAGE;
    await this.#load();
    // On to the first of those that came.
    this.#table.body.rows[before]?.querySelector("a").focus();
  }

  #load() {
    this.#asked += 1;
    const mine = this.#asked;
    return this.#outcome.of(async () => {
      const query = new URLSearchParams({ limit: this.#limit, offset: 0, state: this.state.value, text: this.text.value.trim() });
      const { sessions, total } = await get(`/api/sessions?${query}`);
      if (mine !== this.#asked) return; // a later question was answered first
      const some = sessions.length > 0;
      const filtered = this.text.value.trim() || this.state.value;
      setText(
        this.found,
        some
          ? `${sessions.length === total ? total : `${sessions.length} of ${total}`} ${total === 1 ? "session" : "sessions"}`
          : filtered
            ? "No session is like that."
            : "No sessions yet.",
      );
      this.#table.whole.hidden = !some;
      this.more.hidden = sessions.length >= total;
      const focused = this.#table.body.contains(document.activeElement) ? document.activeElement.hash : "";
      this.#table.body.replaceChildren(...sessions.map(shown));
      if (focused) [...this.#table.body.querySelectorAll("a")].find((link) => link.hash === focused)?.focus();
    });
  }
}

function shown(session) {
  const losses = session.lost > 0 ? `▲ ${count(session.lost)}` : count(session.lost);
  return row(
    heading(el("a", { href: linkTo(session.name) }, session.name)),
    cell(el("span", { class: "badges" }, states(session)), "", "State"),
    cell(session.participant ?? "", "", "Participant"),
    cell(session.label ?? "", "", "Label"),
    cell(point(session.started_at), "numbers", "Begun"),
    cell(duration(session.duration_s), "number", "Length"),
    cell(bytes(session.bytes), "number", "Size"),
    cell(losses, session.lost > 0 ? "number lost-some" : "number", "Lost"),
  );
}
