"""rig_capture: capture of multimodal data with rigs of cameras, microphones, IMUs and small computers."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rig_capture.api import recording as recording
    from rig_capture.reading.session import open_session as open_session

__version__ = "0.1.0"
__all__ = ["__version__", "open_session", "recording"]


_PLACES = {"open_session": "rig_capture.reading.session", "recording": "rig_capture.api"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as the language has it
    # Recording needs ROS; nodes and rooms that import this package do not need either.
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
