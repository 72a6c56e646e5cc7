"""What the classes are called by that ROS generates of definitions: they share no base class, and a type checker finds no types in them."""

from typing import Any, Protocol, TypeAlias

Message: TypeAlias = Any
"""A message of whatever type, or a service's request or answer: its fields are those of its definition."""


class ServiceType(Protocol):
    """The class of a service, which holds those of its request and of its answer."""

    Request: type
    Response: type
