// The page as a whole: what the rig has, the connection, the header, and which view is shown.

import { get, post } from "./api.js";
import { byId, el, setAttribute, setText } from "./dom.js";
import { clock } from "./format.js";
import { Health } from "./health.js";
import { Jobs } from "./jobs.js";
import { Cameras } from "./live/cameras.js";
import { Imus } from "./live/imus.js";
import { Machine } from "./live/machine.js";
import { Recording } from "./live/recording.js";
import { Sound } from "./live/sound.js";
import { Streams } from "./live/streams.js";
import { Session } from "./sessions/session.js";
import { Sessions } from "./sessions/sessions.js";
import { Live } from "./socket.js";
import { Views } from "./views.js";

const STATES = {
  absent: "no recorder",
  boot: "recorder starts up",
  idle: "idle",
  starting: "starting",
  recording: "recording",
  stopping: "stopping",
  error: "error",
};

async function begin() {
  let rig;
  try {
    rig = await get("/api/rig");
  } catch (error) {
    showBanner(`The console can't show its rig: ${error.message}.`, "Try again", () => location.reload());
    return;
  }
  const live = new Live();
  setText(byId("rig"), rig.rig || "rig");
  setText(byId("host"), [rig.namespace && rig.namespace !== "/" ? rig.namespace : "", rig.host].filter(Boolean).join(" on "));
  const views = new Views({
    live: [
      new Recording(byId("recording"), rig, live),
      new Cameras(byId("cameras"), rig, live),
      new Sound(byId("sound"), rig, live),
      new Imus(byId("imus"), rig, live),
      new Streams(byId("streams"), rig, live),
      new Machine(byId("machine"), rig, live),
    ],
    sessions: [new Sessions(byId("sessions"), live)],
    session: [new Session(byId("session"), live)],
    health: [new Health(byId("health"), byId("open-problems"), live)],
    jobs: [new Jobs(byId("jobs"), live)],
  });
  live.on("status", (status) => showState(status, rig, views));
  watchConnection(live, rig);
  byId("logout").addEventListener("click", async () => {
    await post("/api/logout");
    location.reload();
  });
  views.start();
  live.connect();
}

/** The header says what the recorder does, whatever is looked at below. */
function showState(status, rig, views) {
  const recorder = status.recorder;
  const state = recorder?.state ?? status.state ?? "absent";
  const time = state === "recording" ? ` ${clock(recorder?.elapsed_s ?? status.recording_s)}` : "";
  const element = byId("state");
  setAttribute(element, "data-state", state);
  setText(element, `${STATES[state] ?? state}${time}`);
  views.title(`${state === "recording" ? `● ${time.trim()} ` : ""}`, rig.rig || "rig");
}

function watchConnection(live, rig) {
  let lost = false;
  live.on("lost", ({ wait_s, reason }) => {
    const why = reason ? ` (${reason})` : "";
    const text = `The connection to the rig is lost${why}; what is shown is old. The next attempt is in ${wait_s} s.`;
    showBanner(text, "Try now", () => live.connect());
    setAttribute(byId("state"), "data-state", "unknown");
    setText(byId("state"), "not connected");
    document.body.classList.add("lost");
    lost = true;
  });
  live.on("open", async () => {
    document.body.classList.remove("lost");
    showBanner("");
    if (!lost) return;
    lost = false;
    // The rig may have come back as another one.
    const now = await get("/api/rig").catch(() => rig);
    const devices = ({ rig: name, cameras, microphones, imus }) => JSON.stringify([name, cameras, microphones, imus]);
    if (devices(now) !== devices(rig)) location.reload();
  });
}

function showBanner(text, action = "", onAction = null) {
  const banner = byId("banner");
  banner.classList.toggle("shown", Boolean(text));
  banner.replaceChildren(...(text ? [el("span", {}, text), el("button", { type: "button", click: onAction }, action)] : []));
}

begin();
