"""Which machine of a rig does what.

One host leads: its nodes are those of an ordinary rig, in the rig's namespace. Nodes of which each further host has one of
its own are in NAMESPACE/HOST; sensors are in the rig's namespace wherever they run, so that their topics are called the same.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from rig_capture.profiles.errors import ProfileError

if TYPE_CHECKING:
    from rig_capture.profiles.profile import Profile
    from rig_capture.profiles.settings.hosts import HostSettings

EVERYWHERE = ("network", "clock", "status")
"""Fixed nodes that each host has."""
WITH_RECORDER = ("recorder", "uploader", "estimator")
"""Fixed nodes of the host that records, or of all that do."""
PER_HOST = (*EVERYWHERE, *WITH_RECORDER)
"""Those that more than one host may have, each in a namespace of its own."""
SENSORS = ("cameras", "microphones", "imus", "batteries")


def check_hosts(hosts: "Mapping[str, HostSettings]", *, lead: str, host: str, sensors: Collection[str], fixed: Collection[str]) -> None:
    """Checks that every node has its place.

    Args:
        hosts: by name.
        lead: name of one of them, or empty.
        host: likewise.
        sensors: names of all sensors of the rig.
        fixed: names of its other nodes.

    Raises:
        ValueError: naming host and node.
    """
    for key, name in (("lead", lead), ("host", host)):
        if name and name not in hosts:
            raise ValueError(f"{key}: {name!r} is none of the hosts ({', '.join(hosts) or 'there are none'})")
    if not hosts:
        return
    placeable = [name for name in fixed if name not in PER_HOST]
    places: dict[str, str] = {}
    for name, settings in hosts.items():
        if name in {*sensors, *fixed}:
            raise ValueError(f"hosts.{name}: a node is called so; give the host another name, since it becomes a namespace")
        for node in settings.nodes:
            if node in PER_HOST:
                raise ValueError(f"hosts.{name}: {node} is not listed here: {_where(node)}")
            if node not in sensors and node not in placeable:
                known = ", ".join([*sensors, *placeable])
                raise ValueError(f"hosts.{name}: {node!r} is no node of this profile that could run there (there are: {known})")
            if node in places:
                raise ValueError(f"hosts.{name}: {node} runs on {places[node]} already; a node runs on one host")
            places[node] = name
    homeless = sorted(set(sensors) - set(places))
    if homeless:
        raise ValueError(
            f"hosts: on no host: {', '.join(homeless)}; list each under `nodes` of one of {', '.join(hosts)}, or set it to null"
        )


def lead_of(profile: "Profile") -> str:
    """Name of the host that leads; empty where the rig is one machine."""
    return profile.lead or next(iter(profile.hosts), "")


def host_namespace(profile: "Profile", host: str) -> str:
    """Absolute namespace of a host's own nodes: the rig's for the one that leads, and where the rig is one machine."""
    rig = "/" + profile.namespace.strip("/")
    return rig if host in ("", lead_of(profile)) else f"{rig.rstrip('/')}/{host}"


def records(profile: "Profile", host: str) -> bool:
    """Whether a host has a recorder: the lead, and where each records, those with sensors."""
    return host == lead_of(profile) or (profile.record == "each" and bool(set(profile.hosts[host].nodes) & set(_sensors(profile))))


def part_of(profile: "Profile", host: str) -> "Profile":
    """The profile with what runs on one host; its own folder of sessions counts there."""
    settings = profile.hosts[host]
    changes: dict[str, object] = {"host": host}
    for section in SENSORS:
        changes[section] = {name: sensor for name, sensor in getattr(profile, section).items() if name in settings.nodes}
    elsewhere = {node for other, others in profile.hosts.items() if other != host for node in others.nodes}
    for name in _fixed(profile):
        if name in EVERYWHERE:
            continue
        is_here = records(profile, host) if name in WITH_RECORDER else name in settings.nodes
        is_leads = host == lead_of(profile) and name not in elsewhere and name not in WITH_RECORDER
        if not (is_here or is_leads):
            changes[name] = None
    if settings.storage_path:
        changes["storage_path"] = settings.storage_path
    if profile.clock is not None and host != lead_of(profile) and not profile.clock.reference:
        changes["clock"] = profile.clock.model_copy(update={"reference": f"{host_namespace(profile, '').rstrip('/')}/clock"})
    return profile.model_copy(update=changes)


def at_host(profile: "Profile", name: str) -> "Profile":
    """The profile of a rig on the machine where it is to run.

    Args:
        profile: of the whole rig.
        name: that of the machine, where the profile's `host` does not say which one it is.

    Raises:
        ProfileError: none of the hosts is this machine.
    """
    if not profile.hosts or profile.host:
        return profile
    found = host_called(profile, name)
    if not found:
        known = ", ".join(profile.hosts)
        raise ProfileError(
            f"this machine is called {name}, and none of the rig's hosts is ({known}); give --host NAME, or set hosts.NAME.hostname"
        )
    return profile.model_copy(update={"host": found})


def host_called(profile: "Profile", name: str) -> str:
    """The host that a machine is; empty where it is none. Neither case nor domain count, and ``-`` is ``_``."""
    plain = _plain(name)
    return next((host for host, settings in profile.hosts.items() if plain in (_plain(settings.hostname or host), _plain(host))), "")


def _plain(name: str) -> str:
    return name.partition(".")[0].replace("-", "_").lower()


def _where(node: str) -> str:
    return "every host has it" if node in EVERYWHERE else "`record` and `lead` say where it runs"


def _sensors(profile: "Profile") -> list[str]:
    return [name for section in SENSORS for name in getattr(profile, section)]


def _fixed(profile: "Profile") -> list[str]:
    from rig_capture.profiles.profile import FIXED_NODES

    return [name for name in FIXED_NODES if getattr(profile, name) is not None]
