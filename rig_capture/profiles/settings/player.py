"""Settings of the player."""

from pydantic import Field

from rig_capture.profiles.settings.base import LIVE, Settings
from rig_capture.profiles.units import Bytes


class PlayerSettings(Settings):
    """Plays a session."""

    session: str = ""
    """Folder of the session."""
    topics: tuple[str, ...] = ()
    """Names of streams or topics, or patterns of them with `*`; none: all."""
    start_s: float = Field(0.0, ge=0)
    """Where it begins, seconds from the first stamp."""
    rate: float = Field(1.0, ge=0.01, le=100, json_schema_extra=LIVE)
    """How fast: 2 is twice as fast as it was."""
    loop: bool = Field(False, json_schema_extra=LIVE)
    """At the end it begins again."""
    paused: bool = Field(False, json_schema_extra=LIVE)
    """The time of the session stands still."""
    seek_s: float = Field(-1.0, ge=-1, json_schema_extra=LIVE)
    """Setting it goes there, seconds from the first stamp; -1: nowhere."""
    delay_s: float = Field(1.0, ge=0, le=60)
    """Time before the first message, in which subscribers find the topics."""
    clock_hz: float = Field(100.0, ge=0, le=1000)
    """How often `/clock` is published; 0: not at all."""
    depth: int = Field(200, ge=1, le=10000)
    """History depth of video and sound, and of topics whose own is not on record."""
    raw: bool = True
    """Video also as `NAME/image_raw`, decoded while somebody subscribes."""
    preview_fps: float = Field(10.0, ge=0, le=60, json_schema_extra=LIVE)
    """JPEG previews per second on `NAME/image_raw/compressed`, while somebody subscribes; 0: none."""
    preview_width: int = Field(640, ge=16, le=4096, json_schema_extra=LIVE)
    """Width of previews in pixels; the height keeps the aspect ratio."""
    preview_quality: int = Field(70, ge=1, le=100, json_schema_extra=LIVE)
    """JPEG quality of previews in percent."""
    read_ahead_s: float = Field(2.0, ge=0.1, le=60)
    """How far files are read ahead."""
    read_ahead_bytes: Bytes = Field(64_000_000, ge=1_000_000)
    """How many bytes are read ahead at most."""
    keys: bool = False
    """Keys in the terminal pause, seek and end it."""
