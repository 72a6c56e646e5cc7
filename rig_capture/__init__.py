"""rig_capture: capture of multimodal data with rigs of cameras, microphones, IMUs and small computers."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rig_capture.api import recording as recording

__version__ = "0.1.0"
__all__ = ["__version__", "recording"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as the language has it
    # The API needs ROS; nodes and rooms that import this package do not need the API.
    if name == "recording":
        return importlib.import_module("rig_capture.api").recording
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
