"""`rig down`: stop a rig."""

from typing import Annotated

import typer

from rig_capture.cli.options import DomainOption, NamespaceOption, RunningProfileOption, named_rig
from rig_capture.running.rig import find_rig


def down(
    *,
    profile: RunningProfileOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Longest wait in seconds.")] = 45.0,
) -> None:
    """Stop the rig: first the recorder, which finalises a session that is being recorded, then all other nodes."""
    rig = find_rig(named_rig(profile, namespace, domain))
    rig.stop(timeout)
    typer.echo(f"the rig {rig.folder.path.name} is down")
