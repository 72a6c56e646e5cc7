"""Where a recorder stands, and which steps lead from one state to another."""

import threading
from collections.abc import Callable
from enum import StrEnum

from rig_capture.recorder.errors import RecordingError


class State(StrEnum):
    """Where the recorder stands; the values are those of RecorderStatus."""

    BOOT = "boot"
    """Not ready yet: interrupted sessions are looked after first."""
    IDLE = "idle"
    STARTING = "starting"
    """Devices are waited for."""
    RECORDING = "recording"
    STOPPING = "stopping"
    """Files are closed and hashed."""
    ERROR = "error"
    """The last session could not be finished, or none can be begun; a start may still be tried."""


_ALLOWED: dict[State, frozenset[State]] = {
    State.BOOT: frozenset({State.IDLE, State.ERROR}),
    State.IDLE: frozenset({State.STARTING, State.ERROR}),
    State.STARTING: frozenset({State.RECORDING, State.IDLE, State.ERROR}),
    State.RECORDING: frozenset({State.STOPPING}),
    State.STOPPING: frozenset({State.IDLE, State.ERROR}),
    State.ERROR: frozenset({State.STARTING, State.IDLE}),
}


class WrongStep(RecordingError):
    """A step that is not allowed from the present state."""


class StateMachine:
    """The present state and why. Safe from any thread."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        """Begins in `boot`.

        Args:
            changed: called after each step, in the thread that made it.
        """
        self._lock = threading.Lock()
        self._state = State.BOOT
        self._detail = ""
        self._changed = changed

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    @property
    def detail(self) -> str:
        """Why, where there is something to say."""
        return self._detail

    @property
    def is_free(self) -> bool:
        """Whether a start may be tried."""
        return State.STARTING in _ALLOWED[self._state]

    def to(self, state: State, detail: str = "") -> None:
        """Takes a step.

        Raises:
            WrongStep: it leads from nowhere to there; the state stays.
        """
        with self._lock:
            if state not in _ALLOWED[self._state]:
                possible = ", ".join(sorted(_ALLOWED[self._state]))
                raise WrongStep(f"the recorder is {self._state} ({self._detail or 'no detail'}) and can't become {state}; only {possible}")
            self._state, self._detail = state, detail
        self._changed()

    def say(self, detail: str) -> None:
        """Tells something new of the present state."""
        with self._lock:
            if detail == self._detail:
                return
            self._detail = detail
        self._changed()
