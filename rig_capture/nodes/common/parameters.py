"""ROS parameters from settings models, so that `ros2 param` and a profile say the same thing."""

import array
import typing
from collections.abc import Iterator
from typing import Any, TypeVar

import annotated_types
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, ParameterType, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from rig_capture.profiles.settings.base import Settings, meaning

S = TypeVar("S", bound=Settings)

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


class SettingsError(Exception):
    """Parameters that don't make valid settings; the message names each parameter and what is allowed."""


def declare_settings(node: Node, model: type[S]) -> S:
    """Declares a parameter for each field of a settings model, with description, range and read-only flag.

    Returns:
        The settings with the values given by parameter files and the command line.

    Raises:
        SettingsError: a value has the wrong type or lies outside its range.
    """
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        try:
            value = _plain(_declare(node, name, field, meaning(model, name)))
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise SettingsError(f"parameter {name}: {error}") from error
        if value is not None:
            values[name] = value
    return validated(model, values)


def _declare(node: Node, name: str, field: FieldInfo, description: str) -> object:
    """Declares a field's parameter, and gives its value."""
    descriptor = _descriptor(field, description)
    if field.default != ():
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        return node.declare_parameter(name, default, descriptor).value
    # rclpy takes an empty list for one of bytes. Declared by its type alone, the parameter would stay unset where no value is given, and
    # one that is unset makes `ros2 param dump` and rqt find none at all.
    value = node.declare_parameter(name, Parameter.Type.STRING_ARRAY, ParameterDescriptor(type=descriptor.type)).value
    if value is None:
        node.set_parameters([Parameter(name, Parameter.Type.STRING_ARRAY, [])])
    node.set_descriptor(name, descriptor)
    return value


def validated(model: type[S], values: dict[str, Any]) -> S:
    """Settings from parameter values.

    Raises:
        SettingsError: naming each parameter that is wrong and why.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = (
            # Where values do not go together, the message names them.
            f"parameter {problem['loc'][0]}: {problem['msg']} (it is {problem['input']!r})" if problem["loc"] else problem["msg"]
            for problem in error.errors()
        )
        raise SettingsError("; ".join(problems)) from error


def changed(settings: S, parameters: list[Parameter]) -> tuple[S, SetParametersResult]:
    """Settings with some parameters set anew, and the answer to who set them; unchanged where refused."""
    values = settings.model_dump() | {p.name: _plain(p.value) for p in parameters if p.name in type(settings).model_fields}
    try:
        return validated(type(settings), values), SetParametersResult(successful=True)
    except SettingsError as error:
        return settings, SetParametersResult(successful=False, reason=str(error))


def _plain(value: object) -> object:
    """A parameter's value without rclpy's own containers."""
    return value.tolist() if isinstance(value, array.array) else value


def _descriptor(field: FieldInfo, description: str) -> ParameterDescriptor:
    kind = _parameter_type(field.annotation)
    extra = field.json_schema_extra
    live = isinstance(extra, dict) and bool(extra.get("live"))
    low, high = _bounds(field)
    constraints = "; ".join(_constraints(field))
    descriptor = ParameterDescriptor(type=kind, description=description, read_only=not live, additional_constraints=constraints)
    if low is None and high is None:
        return descriptor
    if kind == ParameterType.PARAMETER_INTEGER:
        from_value, to_value = _SMALLEST if low is None else int(low), _LARGEST if high is None else int(high)
        descriptor.integer_range = [IntegerRange(from_value=from_value, to_value=to_value)]
    elif kind == ParameterType.PARAMETER_DOUBLE:
        least, most = float("-inf") if low is None else float(low), float("inf") if high is None else float(high)
        descriptor.floating_point_range = [FloatingPointRange(from_value=least, to_value=most)]
    return descriptor


def _constraints(field: FieldInfo) -> Iterator[str]:
    """What a value must be beside its type and range, in words."""
    if typing.get_origin(field.annotation) is typing.Literal:
        yield "one of " + ", ".join(repr(choice) for choice in typing.get_args(field.annotation))
    for item in field.metadata:
        if isinstance(item, annotated_types.Gt):
            yield f"above {item.gt}"
        elif isinstance(item, annotated_types.Lt):
            yield f"below {item.lt}"
        elif isinstance(item, annotated_types.MinLen) and item.min_length:
            yield f"at least {item.min_length} long"
        elif isinstance(item, annotated_types.MaxLen):
            yield f"at most {item.max_length} long"
        elif getattr(item, "pattern", None):
            yield f"fits {item.pattern}"


def _parameter_type(annotation: object) -> int:
    """The ROS parameter type of a field's annotation: bool, int, float, str, a Literal of these, or a tuple of str or of float."""
    if typing.get_origin(annotation) is typing.Literal:
        annotation = type(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is tuple:
        is_text = typing.get_args(annotation)[0] is str
        return int(ParameterType.PARAMETER_STRING_ARRAY if is_text else ParameterType.PARAMETER_DOUBLE_ARRAY)
    kinds: dict[object, int] = {
        bool: ParameterType.PARAMETER_BOOL,
        int: ParameterType.PARAMETER_INTEGER,
        float: ParameterType.PARAMETER_DOUBLE,
        str: ParameterType.PARAMETER_STRING,
    }
    return int(kinds[annotation])


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    low = high = None
    for item in field.metadata:
        if isinstance(item, annotated_types.Ge):
            low = typing.cast("float", item.ge)
        elif isinstance(item, annotated_types.Gt):
            low = typing.cast("float", item.gt)
        elif isinstance(item, annotated_types.Le):
            high = typing.cast("float", item.le)
        elif isinstance(item, annotated_types.Lt):
            high = typing.cast("float", item.lt)
    return low, high
