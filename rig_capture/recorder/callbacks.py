"""Who is told of what befalls recordings."""

from collections.abc import Callable
from dataclasses import dataclass, field

from rig_capture.recorder.finishing.finishing import RecordingSummary
from rig_capture.recorder.health import StreamHealth


@dataclass
class RecordingCallbacks:
    """Who is told of what; each list may be added to. Called in the thread in which it happens; must not raise."""

    changed: list[Callable[[], None]] = field(default_factory=list)
    """State or detail changed."""
    ended: list[Callable[[RecordingSummary], None]] = field(default_factory=list)
    """A recording ended: its session is complete, or is being finished in the background, or was cancelled."""
    complete: list[Callable[[RecordingSummary], None]] = field(default_factory=list)
    """A session's completion mark is on disk, or it was cancelled and is gone; told in the finisher's thread."""
    unhealthy: list[Callable[[StreamHealth], None]] = field(default_factory=list)
    """A required stream fell silent, or is back."""
    failed: list[Callable[[str, str], None]] = field(default_factory=list)
    """A recording id (or nothing), and what went wrong: a writer died, or a session could not be finished."""
