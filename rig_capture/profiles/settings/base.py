"""What all settings have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict

LIVE: dict[str, Any] = {"live": True}
"""Marks a setting that may be changed while the node runs."""


class Settings(BaseModel):
    """Base of all settings: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, coerce_numbers_to_str=True)


def are_assignments(values: tuple[str, ...]) -> tuple[str, ...]:
    """Checks that each is KEY=VALUE. Raises ValueError."""
    for value in values:
        if not value.partition("=")[0] or "=" not in value:
            raise ValueError(f"{value!r}: KEY=VALUE belongs here")
    return values
