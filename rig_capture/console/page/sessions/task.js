// Work on the rig that takes its time: a button, how far it is, and what came of it.

import { get, post } from "../api.js";
import { Outcome } from "../dialog.js";
import { el, setText } from "../dom.js";
import { figure, known } from "../format.js";

const ASK_AGAIN_MS = 400;

export class Task {
  #outcome = new Outcome();

  /** `finished(result)` shows the result and returns what is said of it. */
  constructor(name, path, finished) {
    this.button = el("button", { type: "button", click: () => this.#run(path, finished) }, name);
    this.progress = el("progress", { max: "1", "aria-label": `${name}: progress`, hidden: true });
    this.detail = el("span", { class: "soft numbers" });
    this.root = el("div", { class: "task" }, this.button, this.progress, this.detail, this.#outcome.nodes);
  }

  async #run(path, finished) {
    this.button.setAttribute("aria-disabled", "true");
    if (!this.progress.hidden) return;
    this.progress.hidden = false;
    this.progress.removeAttribute("value");
    await this.#outcome.of(async () => {
      const { task } = await post(path);
      return finished(await this.#end(task));
    });
    this.progress.hidden = true;
    setText(this.detail, "");
    this.button.removeAttribute("aria-disabled");
  }

  async #end(id) {
    for (;;) {
      const task = await get(`/api/tasks/${encodeURIComponent(id)}`);
      if (task.state === "done") return task.result ?? {};
      if (task.state === "failed") throw new Error(task.error || "It failed, and did not say why.");
      if (known(task.progress)) this.progress.value = task.progress;
      setText(this.detail, [known(task.progress) ? figure(task.progress * 100, 0, "%") : "", task.detail ?? ""].filter(Boolean).join(" "));
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
  }
}
