"""Estimates of a finished session's streams: `estimates/STREAM.MODEL.json` in the session, and `.parquet` where pyarrow is installed.

They lie in a room of the session with a list of its own (`rig_capture/session/additions.py`), so that they are verified, uploaded and
proven like the session's own files. Estimating again with the same model replaces them; where nothing has changed, nothing is written.
"""

import importlib.util
import re
from functools import partial
from pathlib import Path
from typing import Final

from rig_capture.estimation.errors import PredictionsError
from rig_capture.estimation.predictions import VideoPredictions, write_predictions
from rig_capture.session.additions import Addition, put_files, read_additions
from rig_capture.session.manifest import read_manifest

ROOM: Final = "estimates"


def video_streams(session: Path) -> tuple[str, ...]:
    """Names of a session's streams of video, those without a frame left out.

    Raises:
        SessionError: there is no manifest that can be read.
    """
    streams = read_manifest(session).streams
    return tuple(sorted(name for name, stream in streams.items() if stream.kind == "video" and stream.messages))


def result_name(stream: str, model: str, suffix: str = ".json") -> str:
    """Name of the file with what a model made of a stream; of the model's name what a file's name takes."""
    return f"{stream}.{re.sub(r'[^A-Za-z0-9_-]+', '_', model)}{suffix}"


def prediction_suffixes(*, parquet: bool = True) -> tuple[str, ...]:
    """How files of predictions end: as JSON, and as Parquet where that is wanted and pyarrow is installed."""
    return (".json", ".parquet") if parquet and importlib.util.find_spec("pyarrow") is not None else (".json",)


def estimated_by(session: Path) -> dict[str, tuple[str, ...]]:
    """Which models' estimates of which streams lie in a session: names of models, as in file names, by stream.

    Raises:
        AdditionError: the list of the estimates can't be used.
    """
    found: dict[str, tuple[str, ...]] = {}
    for addition in read_additions(session, ROOM).files:
        stem, _, suffix = addition.path.rpartition(".")
        stream, _, model = stem.rpartition(".")
        if suffix == "json" and stream:
            found[stream] = (*found.get(stream, ()), model)
    return found


def is_estimated(session: Path, stream: str, model: str) -> bool:
    """Whether a model's estimates of a stream lie in a session. Raises AdditionError."""
    name = result_name(stream, model)
    return any(addition.path == name for addition in read_additions(session, ROOM).files)


def write_results(session: Path, predictions: VideoPredictions, *, parquet: bool = True) -> tuple[Addition, ...]:
    """Puts estimates of a stream into its session, in place of older ones of the same model.

    Args:
        session: finished; its manifest is not touched.
        predictions: of one of its streams (`predictions.video.stream`).
        parquet: also as Parquet, where pyarrow is installed.

    Returns:
        The files, as the list of the room names them.

    Raises:
        SessionLocked: the session is being changed by another program; nothing has changed.
        SessionError: there is no session, or it is not finished, or the disk fails.
        PredictionsError: they can't be written, or are not of this session.
    """
    stream, model = predictions.video.stream, predictions.model
    if stream not in video_streams(session):
        raise PredictionsError(f"{session}: has no stream of video {stream!r}; these estimates belong elsewhere")
    names = [result_name(stream, model.name, suffix) for suffix in prediction_suffixes(parquet=parquet)]
    write = partial(write_predictions, predictions=predictions)
    outdated = {result_name(stream, model.name, ".parquet")} - set(names)
    return put_files(session, ROOM, dict.fromkeys(names, write), f"{model.name} {model.version}", without=outdated)
