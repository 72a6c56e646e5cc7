// Which view is shown, by the part of the address behind #, so that views can be linked to and gone back from.

import { byId } from "./dom.js";

export class Views {
  #parts;
  #shown = "";
  #prefix = "";
  #rig = "";

  /** `parts`: name of each view -> its parts; a part may have show(argument) and hide(). */
  constructor(parts) {
    this.#parts = parts;
  }

  start() {
    window.addEventListener("hashchange", () => this.#go(true));
    // What is not seen is not asked for.
    document.addEventListener("visibilitychange", () => this.#tell(this.#shown, document.hidden ? "hide" : "show", this.#place().argument));
    this.#go(false);
  }

  /** The title of the window: what is recorded comes first, then the view and the rig. */
  title(prefix, rig) {
    [this.#prefix, this.#rig] = [prefix, rig];
    const heading = byId(`${this.#shown}-title`)?.textContent ?? "";
    const title = `${prefix}${heading} – ${rig}`;
    if (document.title !== title) document.title = title;
  }

  #place() {
    const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
    const known = Object.hasOwn(this.#parts, name);
    return { name: known ? name : "live", argument: known && rest.length ? decoded(rest.join("/")) : "", known: known || !name };
  }

  #go(moved) {
    const { name, argument, known } = this.#place();
    // A link into the page, such as the one that skips to the content, is no view.
    if (!known && this.#shown) return;
    if (this.#shown) this.#tell(this.#shown, "hide");
    this.#shown = name;
    for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== name;
    for (const link of document.querySelectorAll("nav a")) {
      const current = link.hash === `#/${name}` || (name === "session" && link.hash === "#/sessions");
      if (current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.#tell(name, "show", argument);
    this.title(this.#prefix, this.#rig);
    if (moved) {
      window.scrollTo(0, 0);
      byId(`${name}-title`).focus({ preventScroll: true });
    }
  }

  #tell(name, what, argument = "") {
    for (const part of this.#parts[name] ?? []) part[what]?.(argument);
  }
}

/** An address that somebody broke names a session that there is not. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
