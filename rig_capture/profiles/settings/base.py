"""What all settings have in common."""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

LIVE: dict[str, Any] = {"live": True}
"""Marks a setting that may be changed while the node runs."""


class Settings(BaseModel):
    """Base of all settings: frozen, and unknown keys are errors. The docstring beneath a field says what it means (`meaning`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        for key, field in handler.resolve_ref_schema(schema).get("properties", {}).items():
            field["description"] = meaning(cls, key)
        return schema


def meaning(model: type[Settings], key: str) -> str:
    """What a setting means: the docstring beneath its field, or, where an heir only changes the default, beneath the one it inherits.

    Read when somebody asks: pydantic (`use_attribute_docstrings`) would do it for all models at every start of every node and command,
    which costs each a tenth of a second.
    """
    heirs = (each for each in model.__mro__ if issubclass(each, Settings))
    return next((found[key] for each in heirs if key in (found := _docstrings(each.__module__).get(each.__name__, {}))), "")


@cache
def _docstrings(module: str) -> dict[str, dict[str, str]]:
    """By class and field; of the classes at the top of a module."""
    try:
        source = inspect.getsource(sys.modules[module])
    except OSError:
        return {}  # installed without its source
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return {each.name: dict(_beneath_fields(each)) for each in classes}


def _beneath_fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(node.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


def are_assignments(values: tuple[str, ...]) -> tuple[str, ...]:
    """Checks that each is KEY=VALUE. Raises ValueError."""
    for value in values:
        if not value.partition("=")[0] or "=" not in value:
            raise ValueError(f"{value!r}: KEY=VALUE belongs here")
    return values
