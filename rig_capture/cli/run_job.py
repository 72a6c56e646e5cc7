"""One job of the queue, from its turn to its end, for `rig jobs run-next`."""

import threading

from rich.console import Console

from rig_capture.api import UsedRig, rig_of
from rig_capture.cli.record import recording_progress
from rig_capture.cli.signals import stop_signals
from rig_capture.nodes.clients.errors import Refused
from rig_capture.profiles.load import LoadedProfile
from rig_capture.profiles.units import format_bytes
from rig_capture.recorder.jobs.jobs import OVER, WAITING, Job, JobStore
from rig_capture.running.errors import RunningError

_LOOK_S = 0.2
_FINISH_S = 60.0
"""Longest wait for the session of a job that has ended."""


def run_job(store: JobStore, job: Job, loaded: LoadedProfile) -> tuple[Job, str]:
    """Waits until a job has run at the rig of a profile, which is started first where it is not up, and then stopped afterwards.

    SIGINT and SIGTERM end its recording; before it has begun, they end the wait, and the job still waits.

    Args:
        store: where the job is.
        job: one that is due.
        loaded: the profile; its recorder is to begin no other jobs.

    Returns:
        The job as it is then, and the folder of its session; empty where there is none.

    Raises:
        RunningError: the rig did not start, or was stopped before the job had run.
        NoAnswer: it has no recorder.
    """
    with stop_signals() as stop, Console(stderr=True).status("starting the rig") as shown, rig_of(loaded, stop) as used:
        shown.stop()
        if not stop.is_set():
            used.client.recorder_status()
        job = _follow(store, job, used, stop)
        session = used.client.wait_for_session(job.recording_id, _FINISH_S) if job.state == "done" else None
        return job, session.path if session else ""


def _follow(store: JobStore, job: Job, used: UsedRig, stop: threading.Event) -> Job:
    """Shows a job until it is over."""
    stopped, never = False, threading.Event()
    with recording_progress() as bar:
        task = bar.add_task("the job waits for its turn", total=job.duration_s)
        while (job := store.job(job.id)).state not in OVER:
            if job.state in WAITING and stop.is_set():
                break
            if used.rig is not None and not used.rig.runs():
                raise RunningError(f"the rig was stopped before job {job.id} had run; `rig jobs list` shows what became of it")
            if stop.is_set() and not stopped:
                stopped = _stop(used)
            if job.recording_id:
                now = used.client.recorder_status()
                bar.update(
                    task, completed=now.elapsed_s, description=f"{now.elapsed_s:.0f} of {job.duration_s:g} s, {format_bytes(now.bytes)}"
                )
            (never if stop.is_set() else stop).wait(_LOOK_S)
    return job


def _stop(used: UsedRig) -> bool:
    """Whether the recording is stopped; not so just before it begins, or when it has ended by itself."""
    try:
        used.client.stop_recording()
    except Refused:
        return False
    return True
