// One session: what it is, what it lost, its pictures and sound, its proof and its quality report.

import { get } from "../api.js";
import { Outcome } from "../dialog.js";
import { add, byId, cell, el, heading, row, setText, table } from "../dom.js";
import { bytes, clock, count, duration, known, point } from "../format.js";
import { Player } from "./player.js";
import { Task } from "./task.js";
import { states } from "./words.js";

export class Session {
  #name = "";
  #shown = false;
  #state = "";
  #player = null;
  #outcome = new Outcome();

  constructor(root, live) {
    this.content = el("div", { class: "session" });
    add(root, el("p", {}, el("a", { href: "#/sessions" }, "← All sessions")), this.#outcome.nodes, this.content);
    live.on("sessions", () => this.#shown && this.#again());
  }

  show(name) {
    const other = name !== this.#name;
    this.#name = name;
    this.#shown = true;
    setText(byId("session-title"), name);
    if (other || !this.content.childElementCount) this.#load();
  }

  hide() {
    this.#shown = false;
    this.#player?.pause();
  }

  async #load() {
    this.#player?.close();
    this.#player = null;
    this.content.replaceChildren();
    await this.#outcome.of(async () => {
      const name = this.#name;
      const session = await get(address(name));
      if (name !== this.#name) return;
      this.#build(session);
    });
  }

  /** A state that changed is shown without disturbing what plays. */
  async #again() {
    const name = this.#name;
    const session = await get(address(name)).catch(() => null);
    if (session === null || name !== this.#name) return;
    if (this.#state === "recording" && !session.states.includes("recording")) await this.#load();
    else this.facts?.replaceChildren(...facts(session));
  }

  #build(session) {
    this.#state = session.states.includes("recording") ? "recording" : "";
    this.facts = el("dl", { class: "facts" }, facts(session));
    const parts = [panel("facts", "What it is", this.facts, session.error && el("p", { class: "outcome bad" }, session.error))];
    if (session.video.length || session.audio.length) {
      this.#player = new Player(session);
      parts.push(panel("playback", "Pictures and sound", this.#player.root));
    }
    parts.push(panel("quality", "Proof and quality", proof(session)));
    parts.push(panel("losses", "Streams and losses", losses(session)));
    if (session.events.length) parts.push(panel("happened", "What happened", events(session.events)));
    if (session.files.length) parts.push(panel("files", "Files", files(session.files)));
    this.content.replaceChildren(...parts);
  }
}

function address(name, rest = "") {
  return `/api/sessions/${encodeURIComponent(name)}${rest}`;
}

function panel(id, title, ...content) {
  return el(
    "section",
    { class: `panel session-${id}`, "aria-labelledby": `session-${id}` },
    el("h3", { id: `session-${id}` }, title),
    content,
  );
}

function facts(session) {
  const rows = [
    ["State", el("span", { class: "badges" }, states(session))],
    ["Participant", session.participant],
    ["Label", session.label],
    ["Begun", point(session.started_at)],
    ["Length", duration(session.duration_s)],
    ["Size", bytes(session.bytes)],
    ["Lost", known(session.lost) ? (session.lost > 0 ? `▲ ${count(session.lost)} messages` : "nothing") : ""],
    ["Machine", session.host],
    ["Folder", session.path],
  ];
  return rows.filter(([, value]) => value).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
}

function losses(session) {
  const streams = session.streams;
  const whole = table("Streams and what they lost", [
    ["Stream"],
    ["Lost", "number"],
    ["Messages", "number"],
    ["Size", "number"],
    ["Kind", "kind"],
  ]);
  for (const stream of streams) {
    const lost = stream.lost > 0;
    whole.body.append(
      row(
        heading(stream.name),
        cell(lost ? `▲ ${count(stream.lost)}` : count(stream.lost), lost ? "number lost-some" : "number"),
        cell(count(stream.messages), "number"),
        cell(bytes(stream.bytes), "number"),
        cell(stream.kind, "kind"),
      ),
    );
  }
  const places = session.loss;
  const said = places.length
    ? el(
        "ul",
        {},
        places.slice(0, 200).map((loss) => el("li", {}, lossText(loss))),
      )
    : el("p", { class: "soft" }, "No loss is on record.");
  return [streams.length ? whole.whole : null, said];
}

function lossText(loss) {
  if (loss.kind !== "gap") return `${loss.stream}: ${count(loss.count)} lost (${loss.kind})`;
  return `${loss.stream}: nothing for ${duration(loss.duration_s)} from ${clock(loss.at_s)} on${loss.reason ? `: ${loss.reason}` : ""}`;
}

function events(list) {
  return el(
    "ul",
    {},
    list.slice(0, 200).map((event) => {
      const when = event.t_s < 0 ? "before it" : clock(event.t_s);
      return el("li", {}, el("span", { class: "soft numbers" }, when), ` ${event.recovered ? "recovered: " : ""}${event.message}`);
    }),
  );
}

function files(list) {
  const whole = table("Files of the session", [["File"], ["Size", "number"]]);
  for (const file of list) whole.body.append(row(heading(file.path), cell(bytes(file.bytes), "number")));
  return el("details", {}, el("summary", {}, `${list.length} files`), whole.whole);
}

/** Verifying, and the quality report: both take their time, and show how far they are. */
function proof(session) {
  const verdict = el("div", { class: "verdict" });
  const verify = new Task("Verify", address(session.name, "/verify"), (result) => {
    const lines = Array.isArray(result.text) ? result.text : [result.text ?? ""];
    verdict.replaceChildren(
      el("p", { class: result.ok ? "outcome good" : "outcome bad" }, result.ok ? "The session is whole." : "The session is not whole."),
      el(
        "ul",
        {},
        lines.filter(Boolean).map((line) => el("li", {}, line)),
      ),
    );
    return result.ok ? "Verified: whole." : "Verified: not whole.";
  });
  const page = el("div");
  const show = () => page.replaceChildren(...report(address(session.name, "/report")));
  const make = new Task(session.has_report ? "Make the report anew" : "Make the quality report", address(session.name, "/report"), () => {
    show();
    return "The report is ready.";
  });
  if (session.has_report) show();
  return [el("div", { class: "tasks" }, verify.root, make.root), verdict, page];
}

/** The report is a page of its own, shown without any rights. */
function report(source) {
  return [
    el("p", {}, el("a", { href: source, target: "_blank", rel: "noopener" }, "Open the quality report in a window of its own")),
    el("iframe", { src: source, sandbox: "", title: "Quality report", class: "report", loading: "lazy" }),
  ];
}
