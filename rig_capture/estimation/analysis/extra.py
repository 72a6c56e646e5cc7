"""Packages of the extra `analysis`, imported where they are used."""

import importlib
from typing import Any

from rig_capture.estimation.errors import ExtraMissing


def load(module: str) -> Any:  # noqa: ANN401 - none of them has types of its own
    """A module of the extra.

    Raises:
        ExtraMissing: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ExtraMissing("this analysis", "analysis", error) from error
