"""What a change of a profile means for the nodes that run: which parameters of which node have other values now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rig_capture.profiles.hosts import host_namespace
from rig_capture.profiles.load import LoadedProfile
from rig_capture.profiles.nodes import ParameterValue, describe_nodes
from rig_capture.profiles.profile import Profile
from rig_capture.profiles.settings.hosts import DdsSettings

OF_THE_RIG = ("namespace", "hosts", "record", "lead", *DdsSettings.model_fields, "share_process")
"""Settings that no node has as a parameter: they say how the rig is started."""


@dataclass(frozen=True)
class ProfileChanges:
    """From one profile to another."""

    parameters: Mapping[str, Mapping[str, ParameterValue]]
    """New values by full name of the node and name of the parameter."""
    added: tuple[str, ...] = ()
    """Full names of nodes that only the new one has."""
    removed: tuple[str, ...] = ()
    rig: tuple[str, ...] = ()
    """Those of `OF_THE_RIG` that differ."""
    names: tuple[str, ...] = field(default=())
    """Full names of the nodes that have parameters to be set."""
    own_namespace: str = ""
    """Of the nodes that this machine of a rig has for itself."""


def changes_between(before: Profile | None, after: Profile) -> ProfileChanges:
    """What differs; without a profile before, every parameter of every node."""
    own = host_namespace(after, after.host)
    new = {node.full_name: dict(node.parameters) for node in describe_nodes(after)}
    if before is None:
        return ProfileChanges(new, names=tuple(new), own_namespace=own)
    old = {node.full_name: dict(node.parameters) for node in describe_nodes(before)}
    parameters = {name: _differences(old[name], values) for name, values in new.items() if name in old and old[name] != values}
    return ProfileChanges(
        parameters=parameters,
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        rig=tuple(key for key in OF_THE_RIG if getattr(before, key) != getattr(after, key)),
        names=tuple(parameters),
        own_namespace=own,
    )


def flags_of(loaded: LoadedProfile) -> dict[str, Any]:
    """The values that came from flags, by dotted key; laid over a profile again, they hold against its file."""
    flags: dict[str, Any] = {}
    values = loaded.profile.model_dump(mode="json")
    for path, origin in loaded.origins.items():
        value: Any = values
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if origin == "flag" and not isinstance(value, Mapping):
            flags[".".join(path)] = value
    return flags


def _differences(old: Mapping[str, ParameterValue], new: Mapping[str, ParameterValue]) -> dict[str, ParameterValue]:
    # An empty list is no parameter (`parameters_of`), but is to be set where there was a longer one.
    emptied: dict[str, ParameterValue] = {key: [] for key in old if key not in new}
    return {key: value for key, value in new.items() if key not in old or old[key] != value} | emptied
