"""Options that several commands share."""

import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from rig_capture.profiles.load import PREFIX, LoadedProfile, load_profile
from rig_capture.running.folder import RigFolder, domain_of

ProfileOption = Annotated[
    str | None, typer.Option("--profile", "-p", help="Name or YAML file of a profile; none: $RIG_CAPTURE_PROFILE, else the default one.")
]
RunningProfileOption = Annotated[
    str | None, typer.Option("--profile", "-p", help="The rig of this profile; not needed where only one runs.")
]
NamespaceOption = Annotated[str | None, typer.Option("--namespace", help="ROS namespace of the rig.")]
DomainOption = Annotated[int | None, typer.Option("--domain", min=0, max=232, help="ROS_DOMAIN_ID of the rig.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting, such as cameras.camera_front.fps=15; may be repeated.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


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
    return RigFolder.of(loaded.namespace, domain_of(loaded))
