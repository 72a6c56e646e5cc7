"""Packages of the extra `analysis`, imported where they are used."""

import importlib
from types import ModuleType

from rig_capture.estimation.errors import ExtraMissing


def load(module: str) -> ModuleType:
    """A module of the extra.

    Raises:
        ExtraMissing: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ExtraMissing("this analysis", "analysis", error) from error
