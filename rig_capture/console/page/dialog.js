// Questions that need an answer before something that can't be undone.

import { el, uniqueId } from "./dom.js";

/**
 * Asks, and waits for the answer.
 *
 * `option` is the text of a box to tick, where there is one.
 * Returns {ticked}, or null where the answer is no.
 */
export function confirm({ title, text, yes, no = "Back", option = "" }) {
  return new Promise((resolve) => {
    const id = uniqueId();
    const box = el("input", { type: "checkbox" });
    const dialog = el(
      "dialog",
      { class: "question", "aria-labelledby": id, close: () => finish(dialog.returnValue === "yes" ? { ticked: box.checked } : null) },
      el(
        "form",
        { method: "dialog" },
        el("h2", { id }, title),
        el("p", {}, text),
        option && el("p", {}, el("label", { class: "tick" }, box, option)),
        el(
          "div",
          { class: "actions" },
          // The harmless answer comes first, and has the focus.
          el("button", { value: "no", autofocus: true }, no),
          el("button", { value: "yes", class: "danger" }, yes),
        ),
      ),
    );
    function finish(answer) {
      dialog.remove();
      resolve(answer);
    }
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A place for the outcome of what was asked for: good ones are said politely, errors at once. */
export class Outcome {
  constructor() {
    this.good = el("p", { class: "outcome good", role: "status" });
    this.bad = el("p", { class: "outcome bad", role: "alert" });
    this.nodes = [this.good, this.bad];
  }

  /** Runs what was asked for; tells the text (or texts and elements) it returns, or why it failed. Returns whether it worked. */
  async of(action) {
    this.good.textContent = this.bad.textContent = "";
    try {
      this.good.append(...[(await action()) ?? ""].flat());
      return true;
    } catch (error) {
      this.bad.textContent = error.message;
      return false;
    }
  }
}
