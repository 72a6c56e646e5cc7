"""What a package registers under the entry point group `rig_capture.models`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig_capture.estimation.models.model import Model


@dataclass(frozen=True, slots=True)
class ModelKind:
    """A kind of models, told without importing what it needs."""

    summary: str
    """One line."""
    load: Callable[[Path, Mapping[str, Any]], Model]
    """Loads the model of a file (an empty path where the kind has none) with settings; raises ModelError."""
    module: str = ""
    """Python module that must be installed; empty: none."""
    extra: str = ""
    """Name of the extra that brings it."""
    pattern: str = ""
    """Of its files in the model folder; empty: it has none. With a slash, the folder of the file is the model."""
    file_help: str = ""
    """What such a file is, in words."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model, or a kind of which there is no file yet."""

    name: str
    summary: str
    problem: str
    """What is missing, and the remedy; empty: it can be used."""
