"""Which streams of a session may be estimated, and whose estimates lie in it. Knows names only, and needs no numpy."""

import importlib.util
import re
from pathlib import Path
from typing import Final

from rig_capture.session.additions import read_additions
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
