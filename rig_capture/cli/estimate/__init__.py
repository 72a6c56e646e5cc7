"""`rig estimate`: models over recorded pictures. `rig estimate PATH` is short for `rig estimate video PATH`."""

from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

from rig_capture.cli.estimate.bench import bench
from rig_capture.cli.estimate.models import models
from rig_capture.cli.estimate.render import render
from rig_capture.cli.estimate.video import video
from rig_capture.cli.estimate.watch import watch

if TYPE_CHECKING:
    from typer._click import Context  # typer's own click

_DEFAULT = "video"


class _WithDefault(TyperGroup):
    """What is no command is an argument of the default one; a file that is called like a command is written ./bench."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help",):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_WithDefault,
    no_args_is_help=True,
    add_completion=False,
    subcommand_metavar="PATH | COMMAND [ARGS]...",
    help="Estimate who moves how in recorded pictures. `rig estimate PATH` is short for `rig estimate video PATH`.",
)
for command in (video, render, bench, models, watch):
    app.command()(command)
