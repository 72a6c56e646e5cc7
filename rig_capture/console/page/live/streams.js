// Rates and losses: of each stream while a recording runs, and of each node always.

import { add, badge, cell, el, heading, row, setText, table } from "../dom.js";
import { bytes, count, figure, known } from "../format.js";

/** Losses stand beside the rate, where small screens show them too. */
const STREAM_COLUMNS = [["Stream"], ["Rate", "number"], ["Lost", "number"], ["Messages", "number"], ["Size", "number"], ["Kind", "kind"]];
const LEVELS = [
  ["ok", "good"],
  ["warning", "warn"],
  ["error", "bad"],
  ["silent", "bad"],
];

export class Streams {
  #streams = table("Streams of the recording", STREAM_COLUMNS);
  #nodes = table("Nodes of the rig", [["Node"], ["State"], ["Rate", "number"], ["Lost", "number"], ["Says"]]);
  #rows = new Map();
  #prefix;

  constructor(root, rig, live) {
    this.#prefix = `${rig.namespace ?? ""}/`.replace("//", "/");
    this.idle = el("p", { class: "soft" }, "Streams are listed here while something is recorded.");
    add(root, el("h4", {}, "Streams"), this.idle, this.#streams.whole, el("h4", {}, "Nodes"), this.#nodes.whole);
    live.on("status", (status) => this.#show(status));
  }

  #show(status) {
    const streams = status.recorder?.streams ?? [];
    this.idle.hidden = streams.length > 0;
    this.#streams.whole.hidden = streams.length === 0;
    this.#fill(
      this.#streams.body,
      streams.map((stream) => stream.topic),
      ({ cells }, place) => {
        const stream = streams[place];
        setText(cells[1], figure(stream.rate_hz, 1, "Hz"));
        lost(cells[2], stream.lost);
        const texts = [count(stream.messages), bytes(stream.bytes), stream.kind];
        texts.forEach((text, number) => setText(cells[number + 3], text));
      },
      ["number", "number", "number", "number", "kind"],
    );
    const nodes = status.nodes ?? [];
    this.#fill(
      this.#nodes.body,
      nodes.map((node) => node.name),
      ({ cells }, place) => {
        const node = nodes[place];
        const [word, kind] = LEVELS[node.level] ?? ["unknown", ""];
        if (cells[1].textContent !== word) cells[1].replaceChildren(badge(word, kind));
        setText(cells[2], known(node.rate_hz) ? figure(node.rate_hz, 1, "Hz") : "");
        lost(cells[3], known(node.rate_hz) || node.lost ? node.lost : null);
        setText(cells[4], node.message || "");
      },
      ["", "number", "number", "says"],
    );
  }

  /** The rig's namespace stands in the header; here it would only take room. */
  #short(name) {
    return name.startsWith(this.#prefix) ? name.slice(this.#prefix.length) : name;
  }

  /** Rows are kept as long as they are the same ones, so that a reader's place in the table is, too. */
  #fill(body, names, show, classes) {
    const key = JSON.stringify(names);
    if (this.#rows.get(body) !== key) {
      this.#rows.set(body, key);
      body.replaceChildren(
        ...names.map((name) =>
          row(
            heading(this.#short(name)),
            classes.map((kind) => cell("", kind)),
          ),
        ),
      );
    }
    names.forEach((_, place) => show(body.rows[place], place));
  }
}

/** Losses stand out by a sign and weight, not by colour only. */
function lost(cell, number) {
  const some = known(number) && number > 0;
  setText(cell, number === null ? "" : some ? `▲ ${count(number)}` : count(number));
  cell.classList.toggle("lost-some", some);
}
