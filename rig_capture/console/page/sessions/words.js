// How states of sessions are shown.

import { badge } from "../dom.js";

const KINDS = {
  recording: "active",
  uploading: "active",
  complete: "good",
  uploaded: "good",
  estimated: "good",
  recovered: "warn",
  incomplete: "bad",
  damaged: "bad",
  failed: "bad",
};

export const STATES = ["recording", "complete", "recovered", "incomplete", "damaged", "uploading", "uploaded", "estimated"];

export function states(session) {
  return session.states.map((state) => badge(state, KINDS[state]));
}

/** Where a session is shown. */
export function linkTo(name) {
  return `#/session/${encodeURIComponent(name)}`;
}
