"""The operator's command `rig`.

One file per command. Their modules are imported only when the command is called, so that `rig --help` answers at once.
Exit codes: see `exits`. Errors that have a class of their own are one clear line on standard error; anything else is a bug
and shows its traceback. `--debug` or RIG_CAPTURE_DEBUG=1 shows all tracebacks and the debug log.
"""

import atexit
import gc
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from rig_capture import __version__
from rig_capture.cli.exits import EXIT_FAILED, EXIT_NOT_RUNNING, EXIT_USAGE

if TYPE_CHECKING:
    from typer._click import Command, Context  # typer's own click

_COMMANDS = {
    "demo": "Run the main job from end to end: rig up, record, stop, ingest, verify.",
    "up": "Start a rig: all nodes of a profile.",
    "status": "Show whether the rig runs and is well.",
    "health": "Show problems that are open, and health events, past or as they come.",
    "down": "Stop the rig.",
    "install-service": "Have systemd start a rig, watch it, and stop it in order.",
    "record": "Start, stop, cancel recordings.",
    "capture": "Record so many seconds into a session, with the rig that is up or one for this alone.",
    "jobs": "Queue, schedule, cancel recordings to come.",
    "attach": "Add files to a finished session.",
    "sessions": "List the sessions on this machine.",
    "play": "Play a session on its topics, as if it were happening now.",
    "verify": "Check that sessions are whole.",
    "report": "Say how good a session is, as an HTML page with plots.",
    "sync-test": "Measure how far apart sound and pictures, and cameras, are by their stamps.",
    "repair": "Mend interrupted or damaged sessions.",
    "merge": "Put all streams of a session into one Matroska file.",
    "export": "Write sessions as tables, sound files, films, datasets.",
    "reconstruct": "Make manifests for sessions that have none.",
    "ingest": "Bring sessions into the object store and the catalog.",
    "offload": "Move sessions to a removable disk.",
    "catalog": "List, show, export, rebuild the catalog of recordings.",
    "estimate": "Look at recorded pictures with models: who moves, where and how much.",
    "analyze": "Compare, measure, cut up and classify movements.",
    "meter": "Show how loud it is: levels of microphones, or of a file.",
    "listen": "Listen to a microphone, its last seconds or live.",
    "wifi": "Look for wireless networks, join one, open a hotspot.",
    "inventory": "Show the hardware of this machine, and the profile lines that use it.",
    "profile": "Make, change, show, delete profiles.",
}
"""Commands in the order of the help, with its line. Each is in the module of its name: a function of that name, or `app`."""

_EXIT_CODES = {
    "rig_capture.profiles.errors.ProfileError": EXIT_USAGE,
    "rig_capture.session.errors.SessionError": EXIT_FAILED,
    "rig_capture.recorder.errors.NothingWaits": EXIT_USAGE,
    "rig_capture.recorder.errors.RecordingError": EXIT_FAILED,
    "rig_capture.delivery.errors.BadAddress": EXIT_USAGE,
    "rig_capture.delivery.errors.CredentialsError": EXIT_USAGE,
    "rig_capture.delivery.errors.InsecureEndpoint": EXIT_USAGE,
    "rig_capture.delivery.errors.DeliveryError": EXIT_FAILED,
    "rig_capture.running.errors.NotRunning": EXIT_NOT_RUNNING,
    "rig_capture.running.errors.SeveralRunning": EXIT_USAGE,
    "rig_capture.running.errors.RunningError": EXIT_FAILED,
    "rig_capture.estimation.analysis.errors.UnknownName": EXIT_USAGE,
    "rig_capture.estimation.errors.EstimationError": EXIT_FAILED,
    "rig_capture.sensing.audio.files.SoundFileError": EXIT_FAILED,
    "rig_capture.sensing.wifi.errors.WifiError": EXIT_FAILED,
    "rig_capture.nodes.clients.errors.ClientError": EXIT_FAILED,
}
"""Errors that are expected, by name, so that no room is imported for it."""


class _Commands(TyperGroup):
    """Loads a command when it is called; the help needs only its line."""

    def list_commands(self, ctx: "Context") -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":
        return TyperCommand(name=cmd_name, help=_COMMANDS[cmd_name]) if cmd_name in _COMMANDS else None

    def resolve_command(self, ctx: "Context", args: list[str]) -> "tuple[str | None, Command | None, list[str]]":
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if command is None or name is None else _load(name), rest


def _load(name: str) -> "Command":
    place = name.replace("-", "_")
    module = importlib.import_module(f"rig_capture.cli.{place}")
    app = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False)
        app.command(name)(getattr(module, place))
    command = typer.main.get_command(app)
    command.name = name
    if not gc.isenabled():  # see `_process`
        gc.freeze()
        gc.enable()
    return command


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"rig_capture {__version__}")
        raise typer.Exit


@app.callback(
    epilog="`./rig test` runs all tests, `./rig extra` installs what some commands need. "
    "Exit codes: 0 done and well, 1 failed, 2 wrong call or profile, 3 no rig is running."
)
def _rig(
    debug: Annotated[bool, typer.Option("--debug", help="Full tracebacks and the debug log; also RIG_CAPTURE_DEBUG=1.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Capture cameras, microphones and inertial sensors as sessions, and bring them into a store."""
    if debug:
        os.environ["RIG_CAPTURE_DEBUG"] = "1"
    level = logging.DEBUG if _debugging() else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True)


def rig() -> int:
    """Entry point of the program `rig`."""
    return _process(sys.argv[1:])


def ingest_only() -> int:
    """Entry point of `ros2 run rig_capture ingest`."""
    return _process(["ingest", *sys.argv[1:]])


def _process(arguments: Sequence[str]) -> int:
    """`main` in a process of its own.

    Nothing of what is imported becomes garbage before the end: to look for some in it while importing, and once more at exit,
    takes a quarter of a short command's time.
    """
    gc.disable()
    atexit.register(gc.freeze)
    return main(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="rig")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_FAILED if end.code else 0
    except Exception as error:
        code = _expected(error)
        if code is None or _debugging():
            raise
        typer.secho("error: ", fg="red", nl=False, err=True)
        typer.echo(str(error), err=True)
        return code
    return 0


def _expected(error: Exception) -> int | None:
    """The exit code of an error that has a class of its own; None of a bug."""
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
    return next((_EXIT_CODES[name] for name in names if name in _EXIT_CODES), None)


def _debugging() -> bool:
    return os.environ.get("RIG_CAPTURE_DEBUG", "").lower() in ("1", "true", "yes", "y")
