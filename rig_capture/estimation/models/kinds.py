"""The kinds of models of this package. Nothing that they need is imported before one is loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rig_capture.estimation.models.kind import ModelKind
from rig_capture.estimation.models.model import Model


def _motion(source: Path, settings: Mapping[str, Any]) -> Model:
    from rig_capture.estimation.models import motion

    return motion.load(settings)


def _onnx(source: Path, settings: Mapping[str, Any]) -> Model:
    from rig_capture.estimation.models import onnx

    return onnx.load(source, settings)


def _mediapipe(source: Path, settings: Mapping[str, Any]) -> Model:
    from rig_capture.estimation.models import mediapipe

    return mediapipe.load(source, settings)


def _metrabs(source: Path, settings: Mapping[str, Any]) -> Model:
    from rig_capture.estimation.models import metrabs

    return metrabs.load(source, settings)


MOTION = ModelKind("How much moves, and boxes around what moves; built in, no weights", _motion)
ONNX = ModelKind(
    "A pose model in ONNX, told by its card",
    _onnx,
    module="onnxruntime",
    extra="onnx",
    pattern="*.yaml",
    file_help="its card and .onnx file",
)
MEDIAPIPE = ModelKind(
    "MediaPipe's pose landmarker, 33 joints in 2D and 3D",
    _mediapipe,
    module="mediapipe",
    extra="mediapipe",
    pattern="*.task",
    file_help="its .task file",
)
METRABS = ModelKind(
    "MeTRAbs: several persons in 2D and absolute 3D",
    _metrabs,
    module="tensorflow",
    extra="metrabs",
    pattern="*/saved_model.pb",
    file_help="the folder of its SavedModel",
)
