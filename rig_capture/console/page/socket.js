// The live connection: what the rig tells comes as events, what the page wants goes back; a lost one is made again by itself.

import { get } from "./api.js";

const FIRST_WAIT_S = 1;
const LONGEST_WAIT_S = 15;
/** The status comes every second; a connection that is silent for so long is dead, though nothing has closed it. */
const SILENCE_S = 8;
const SOUND = 0xff;
/** How the server closes the connection of somebody whose session has ended. */
const LOGGED_OUT = 4401;

export class Live {
  #socket = null;
  #listeners = new Map();
  #latest = new Map();
  #wanted = {};
  #wait = FIRST_WAIT_S;
  #retry = null;
  #watch = null;
  #heard = 0;

  /**
   * Calls back with every message of a type: "status", "levels", "imu", "battery", "network", "health", "sessions", "jobs", "tasks";
   * "picture" with {camera, jpeg}, "sound" with {rate, channels, samples}; "open", and "lost" with {wait_s, reason}.
   * Who comes late gets the last status at once.
   */
  on(type, action) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, []);
    this.#listeners.get(type).push(action);
    if (this.#latest.has(type)) action(this.#latest.get(type));
  }

  constructor() {
    // A device without network may still reach a rig that is itself: asking tells.
    window.addEventListener("offline", () => get("/api/rig").catch((error) => this.#socket && this.#lost(this.#socket, error.message)));
    window.addEventListener("online", () => this.connect());
  }

  /** Connects, and goes on trying. */
  connect() {
    clearTimeout(this.#retry);
    if (this.#socket) return;
    const address = new URL("/api/live", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => this.#opened());
    socket.addEventListener("message", (event) => this.#take(event.data));
    socket.addEventListener("close", (event) => this.#lost(socket, event.reason, event.code));
    this.#socket = socket;
    this.#heard = performance.now();
    clearInterval(this.#watch);
    this.#watch = setInterval(() => {
      if (performance.now() - this.#heard > SILENCE_S * 1000) this.#lost(socket, `nothing was heard for ${SILENCE_S} s`);
    }, 1000);
  }

  /**
   * Tells what this page wants: {previews: [names], rate_hz, levels: [names], imus: [names], listen: {microphone, channel} or null}.
   * Each key stays as it is until it is said anew; all are told again after a reconnection.
   */
  want(wishes) {
    const changed = Object.entries(wishes).filter(([key, value]) => JSON.stringify(this.#wanted[key]) !== JSON.stringify(value));
    if (!changed.length) return;
    Object.assign(this.#wanted, wishes);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(Object.fromEntries(changed)));
  }

  #opened() {
    this.#wait = FIRST_WAIT_S;
    this.#socket.send(JSON.stringify(this.#wanted));
    this.#tell("open", {});
  }

  #take(data) {
    this.#heard = performance.now();
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.type === "status") this.#latest.set("status", message);
      this.#tell(message.type, message);
      return;
    }
    const view = new DataView(data);
    const kind = view.getUint8(0);
    if (kind === SOUND)
      this.#tell("sound", { rate: view.getUint32(1), channels: view.getUint8(5), samples: new Int16Array(data.slice(6)) });
    else this.#tell("picture", { camera: kind, jpeg: new Blob([data.slice(9)], { type: "image/jpeg" }) });
  }

  #lost(socket, reason, code = 0) {
    if (socket !== this.#socket) return;
    clearInterval(this.#watch);
    this.#socket = null;
    socket.close();
    if (code === LOGGED_OUT) {
      location.reload();
      return;
    }
    this.#later(reason);
  }

  /** A refused handshake looks like a lost one to a page; a plain question tells them apart: its refusal brings the login page. */
  async #again() {
    try {
      await get("/api/rig");
      this.connect();
    } catch (error) {
      this.#later(error.message);
    }
  }

  #later(reason) {
    const wait = this.#wait;
    this.#wait = Math.min(LONGEST_WAIT_S, wait * 2);
    this.#retry = setTimeout(() => this.#again(), wait * 1000);
    this.#tell("lost", { wait_s: wait, reason });
  }

  #tell(type, message) {
    for (const action of this.#listeners.get(type) ?? []) action(message);
  }
}
