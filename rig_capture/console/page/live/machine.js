// Battery, network, disk, processor, and what waits to be uploaded.

import { add, el, setText } from "../dom.js";
import { bytes, duration, figure, known } from "../format.js";

const NETWORK = ["offline", "local network only", "online"];

export class Machine {
  #rows = new Map();
  #list = el("dl", { class: "readings" });

  constructor(root, rig, live) {
    add(root, this.#list);
    for (const battery of rig.batteries)
      this.#row(`battery ${battery.name}`, rig.batteries.length > 1 ? `Battery ${battery.name}` : "Battery");
    for (const name of ["Network", "Disk", "Processor", "Memory", "Uploads", "Up since"]) this.#row(name, name);
    live.on("battery", (message) => this.#battery(message));
    live.on("status", (status) => this.#status(status, rig));
  }

  /** A reading: its text, a second line of detail, and a bar where it is a share of something. */
  #row(key, name) {
    const text = el("span", { class: "numbers" }, "–");
    const detail = el("span", { class: "soft small" });
    const bar = el("meter", { min: "0", max: "1", "aria-label": name, hidden: true });
    this.#list.append(el("div", {}, el("dt", {}, name), el("dd", {}, text, bar, detail)));
    this.#rows.set(key, { text, detail, bar });
  }

  #set(key, text, detail = "", share = null) {
    const row = this.#rows.get(key);
    setText(row.text, text);
    setText(row.detail, detail);
    row.bar.hidden = share === null;
    if (share !== null && row.bar.value !== share) {
      row.bar.value = share;
      row.bar.textContent = text;
    }
  }

  #battery(battery) {
    const key = `battery ${battery.battery}`;
    if (!this.#rows.has(key)) return;
    const values = [figure(battery.voltage, 2, "V"), figure(battery.current, 2, "A"), figure(battery.power, 1, "W")].filter(
      (value) => value !== "–",
    );
    const text = `${figure(battery.percent, 0, "%")}${battery.charging ? ", charging" : ""}`;
    this.#set(key, text, values.join(" · ").replaceAll("-", "−"), known(battery.percent) ? battery.percent / 100 : null);
  }

  #status(status, rig) {
    if (!status.status_node) {
      for (const name of ["Network", "Disk", "Processor", "Memory", "Up since"]) this.#set(name, "–", "the node that tells it is silent");
      this.#uploads(status, rig);
      return;
    }
    const wireless = status.ssid
      ? `${status.ssid}${known(status.signal_dbm) ? `, ${figure(status.signal_dbm, 0, "dBm").replace("-", "−")}` : ""}`
      : "";
    this.#set("Network", NETWORK[status.network] ?? "–", [wireless, status.network_detail].filter(Boolean).join(" · "));
    const used = status.storage_total ? status.storage_used / status.storage_total : null;
    this.#set("Disk", `${bytes(status.storage_available)} free`, `of ${bytes(status.storage_total)}`, used);
    const heat = known(status.cpu_temperature) ? `${figure(status.cpu_temperature, 0, "°C")} · ` : "";
    const cores = status.cpu_percent_per_core?.length ?? 0;
    const load = `${heat}load ${figure(status.load_1min, 1)}${cores ? ` on ${cores} cores` : ""}`;
    this.#set("Processor", figure(status.cpu_percent, 0, "%"), load, known(status.cpu_percent) ? status.cpu_percent / 100 : null);
    const memory = status.memory_total ? status.memory_used / status.memory_total : null;
    this.#set("Memory", `${bytes(status.memory_available)} free`, `of ${bytes(status.memory_total)}`, memory);
    this.#uploads(status, rig);
    this.#set("Up since", duration(status.uptime_s), status.version ? `rig_capture ${status.version}` : "");
  }

  #uploads(status, rig) {
    const uploader = status.uploader;
    if (!rig.uploader) {
      this.#set("Uploads", "none in this profile");
      return;
    }
    if (!uploader) {
      this.#set("Uploads", "the uploader does not answer");
      return;
    }
    const queued = uploader.queued ? `${uploader.queued} to go` : "nothing to go";
    const rate = uploader.state === "uploading" && uploader.rate_bytes_s ? ` · ${bytes(uploader.rate_bytes_s)}/s` : "";
    const share = uploader.current_total ? uploader.current_bytes / uploader.current_total : null;
    this.#set(
      "Uploads",
      `${uploader.state}, ${queued}`,
      `${uploader.detail || uploader.current || uploader.last_error || ""}${rate}`,
      share,
    );
  }
}
