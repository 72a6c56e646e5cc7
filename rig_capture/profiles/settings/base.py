"""What all settings have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict

LIVE: dict[str, Any] = {"live": True}
"""Marks a setting that may be changed while the node runs."""


class Settings(BaseModel):
    """Base of all settings: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, coerce_numbers_to_str=True)
