"""The rig as the console sees it: what it consists of, what viewers want of it, and what it can be asked."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rig_capture.profiles.places import jobs_dir, sessions_dir
from rig_capture.profiles.profile import Profile

Answer = dict[str, Any]
"""success, message, recording_id."""


@dataclass(frozen=True)
class Interest:
    """What viewers want of what the rig does not send unasked; names of devices."""

    previews: frozenset[str] = frozenset()
    levels: frozenset[str] = frozenset()
    imus: frozenset[str] = frozenset()
    sounds: frozenset[str] = frozenset()


class Rig(Protocol):
    """The rig's end of the console. Everything returns at once, and may be called from any thread."""

    def want(self, interest: Interest) -> None:
        """From now on this is sent, and nothing else of its kind."""

    def start_recording(self, fields: Mapping[str, Any]) -> "Future[Answer]":
        """Asks the recorder to start; `fields` are those of the service. NodeSilent where there is no recorder."""

    def stop_recording(self) -> "Future[Answer]":
        """Asks it to stop."""

    def cancel_recording(self, keep_data: bool) -> "Future[Answer]":
        """Asks it to cancel."""

    def trigger_recording(self, fields: Mapping[str, Any]) -> "Future[Answer]":
        """Asks it to save an event; `fields` are those of the service."""


@dataclass(frozen=True)
class RigPlace:
    """Which rig it is, and where its things lie."""

    profile: Profile
    namespace: str
    """Absolute."""
    domain_id: int

    @property
    def sessions(self) -> Path:
        """Folder of the sessions."""
        return sessions_dir(self.profile)

    @property
    def jobs(self) -> Path:
        """Folder of the jobs."""
        return jobs_dir(self.namespace, self.domain_id)


def describe(profile: Profile, namespace: str) -> dict[str, Any]:
    """What the rig consists of, as ``GET /api/rig`` tells it."""
    root = namespace.rstrip("/")
    return {
        "rig": profile.rig,
        "site": profile.site,
        "room": profile.room,
        "namespace": namespace,
        "cameras": [
            {"name": name, "topic": f"{root}/{name}/video", "width": camera.width, "height": camera.height, "fps": camera.fps}
            | {"preview_fps": camera.preview_fps, "codec": camera.codec}
            for name, camera in profile.cameras.items()
        ],
        "microphones": [
            {"name": name, "rate_hz": sound.sample_rate, "channels": [f"ch{n}" for n, _ in enumerate(sound.mapped_channels)]}
            for name, sound in profile.microphones.items()
        ],
        "imus": [{"name": name, "rate_hz": imu.rate_hz} for name, imu in profile.imus.items()],
        "batteries": [{"name": name} for name in profile.batteries],
        "recorder": profile.recorder is not None,
        "uploader": profile.uploader is not None,
        "estimator": profile.estimator is not None,
        "trigger": profile.recorder is not None,
        "preview_rate_hz": max((camera.preview_fps for camera in profile.cameras.values()), default=0.0),
        "lookback_s": profile.recorder.lookback_s if profile.recorder is not None else 0.0,
    }
