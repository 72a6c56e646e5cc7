"""Options that several commands share."""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from rig_capture.profiles.host import host_name
from rig_capture.profiles.hosts import host_called
from rig_capture.profiles.load import LoadedProfile, load_profile
from rig_capture.profiles.places import PREFIX, sessions_dir
from rig_capture.running.errors import NotRunning, SeveralRunning
from rig_capture.running.folder import RigFolder
from rig_capture.running.rig import find_rig

ProfileOption = Annotated[
    str | None, typer.Option("--profile", "-p", help="Name or YAML file of a profile; none: $RIG_CAPTURE_PROFILE, else the default one.")
]
RunningProfileOption = Annotated[
    str | None, typer.Option("--profile", "-p", help="The rig of this profile; not needed where only one runs.")
]
NamespaceOption = Annotated[str | None, typer.Option("--namespace", help="ROS namespace of the rig.")]
DomainOption = Annotated[int | None, typer.Option("--domain", min=0, max=232, help="ROS_DOMAIN_ID of the rig.")]
HostOption = Annotated[
    str | None, typer.Option("--host", help="Which of the rig's machines this is; none: $RIG_CAPTURE_HOST, else told by its name.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting, such as cameras.camera_front.fps=15; may be repeated.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print as JSON.")]

LabelOption = Annotated[str, typer.Option("--label", help="What is recorded.")]
ParticipantOption = Annotated[str, typer.Option("--participant", help="Who is recorded.")]
TestingOption = Annotated[bool, typer.Option("--testing", help="Mark the recording as a test.")]
TopicsOption = Annotated[list[str] | None, typer.Option("--topic", help="A topic beside those of the profile; may be repeated.")]
StoragePathOption = Annotated[Path | None, typer.Option("--storage-path", help="Folder of the sessions.")]
SessionsFolderOption = Annotated[
    Path | None, typer.Option("--path", help="Folder of sessions; none: that of --profile, else of the rig that is up.")
]
SessionsArgument = Annotated[list[Path], typer.Argument(help="Folders of sessions.", metavar="PATH...")]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def assignments(texts: Sequence[str] | None) -> dict[str, Any]:
    """``KEY=VALUE`` texts as a dict."""
    changes: dict[str, Any] = {}
    for text in texts or []:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{text!r}: KEY=VALUE belongs here, such as threads=8", param_hint="--set")
        changes[key.strip()] = value
    return changes


def load(profile: str | None, texts: Sequence[str] | None = None, **flags: object) -> LoadedProfile:
    """A profile with flags over it; flags that are None were not given."""
    given = {key: value for key, value in flags.items() if value is not None}
    return load_profile(profile, overrides=assignments(texts) | given)


def named_rig(profile: str | None, namespace: str | None, domain: int | None) -> RigFolder | None:
    """The folder of the rig that options name; None where they name none, and the only running one is meant."""
    profile = profile or os.environ.get(PREFIX + "PROFILE") or None
    if profile is None and namespace is None and domain is None:
        return None
    loaded = load(profile, namespace=namespace, domain_id=domain).profile
    here = loaded.host or host_called(loaded, host_name())
    return RigFolder.of_profile(loaded.model_copy(update={"host": here}))


def profile_of_rig(
    profile: str | None, settings: list[str] | None = None, *, namespace: str | None, domain_id: int | None, **flags: object
) -> LoadedProfile:
    """The profile by which the rig that is meant is found, or started where none is up."""
    try:
        record = find_rig(named_rig(profile, namespace, domain_id)).record
    except NotRunning:
        return load(profile, settings, namespace=namespace, domain_id=domain_id, **flags)
    if settings or any(value is not None for value in flags.values()):
        raise typer.BadParameter(
            "the rig is up, with settings of its own; change them with `rig profile apply`, or stop it first with `rig down`",
            param_hint="--set, --storage-path",
        )
    return load(profile, namespace=record.namespace.strip("/"), domain_id=record.domain_id)


def sessions_folder(path: Path | None, profile: str | None) -> Path:
    """The folder that is given; else that of the profile that is named; else that of the rig that is up, or of the default profile."""
    if path is not None:
        return path.expanduser()
    if profile is None:
        with suppress(NotRunning, SeveralRunning):
            if own := find_rig(named_rig(None, None, None)).record.sessions:
                return Path(own)
    return sessions_dir(load(profile).profile)


def length(text: str, option: str) -> float:
    """Seconds from ``600``, ``10m``, ``1h30m``."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhdw])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise typer.BadParameter(f"{text!r} is no length of time; write 600, 10m, 1h30m or 1d", param_hint=option)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
