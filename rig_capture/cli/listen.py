"""`rig listen`: the sound of a rig, its last seconds or live, into a file or to the loudspeaker."""

import contextlib
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from rig_capture.cli.exits import EXIT_FAILED, EXIT_USAGE
from rig_capture.cli.meter import sound_client
from rig_capture.cli.options import DomainOption, NamespaceOption, RunningProfileOption
from rig_capture.cli.signals import stop_signals
from rig_capture.nodes.clients.sound import HeardSound, SoundClient
from rig_capture.sensing.audio.files import SoundFormat, SoundWriter, kind_of
from rig_capture.session.atomic import write_atomic

_WAITING = 200
"""Blocks that wait for a slow file or player; what comes beyond is left out."""
_FIRST_S = 10.0
_LOOK_S = 0.25

_PULSE = {"S16LE": "s16le", "S24LE": "s24le", "S32LE": "s32le", "F32LE": "float32le"}

Take = Callable[[HeardSound], None]


def listen(
    name: Annotated[str, typer.Argument(help="Source of sound, such as audio_main.")],
    *,
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="The last so many seconds, and no more; 0: live, until Ctrl-C.")] = 0.0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File: .wav, .opus, .ogg; live also .flac and .mp3.")] = None,
    play: Annotated[bool, typer.Option("--play", help="To the loudspeaker, by paplay or ffplay; so without --out.")] = False,
    profile: RunningProfileOption = None,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
) -> None:
    """Listen to a microphone of a running rig: its last seconds (as many as `listen_s` keeps), or live."""
    if out is not None:
        kind_of(out)  # refused before anything is asked for
    with sound_client(profile, namespace, domain) as client:
        if seconds > 0:
            _last(client, name, seconds, out, play or out is None)
        else:
            _live(client, name, out, play or out is None)


def _last(client: SoundClient, name: str, seconds: float, out: Path | None, play: bool) -> None:
    kind = "wav" if out is None else kind_of(out)
    if kind not in ("wav", "opus"):
        _fail(f"{out}: the last seconds come as .wav, .opus or .ogg", EXIT_USAGE)
    sound = client.last_sound(name, seconds, kind)
    if out is not None:
        write_atomic(out.expanduser(), sound.data)
        typer.echo(f"{sound.duration_s:.1f} s of {name} in {out}")
    if play:
        command = _player(["paplay", "/dev/stdin"] if kind == "wav" else [], ["ffplay", "-v", "error", "-nodisp", "-autoexit", "-i", "-"])
        if subprocess.run(command, input=sound.data, check=False).returncode:
            _fail(f"{command[0]} could not play the sound", EXIT_FAILED)


def _live(client: SoundClient, name: str, out: Path | None, play: bool) -> None:
    blocks: queue.Queue[HeardSound] = queue.Queue(_WAITING)
    missed = 0

    def hear(block: HeardSound) -> None:
        nonlocal missed
        try:
            blocks.put_nowait(block)
        except queue.Full:
            missed += 1

    with stop_signals() as stop, contextlib.ExitStack() as stack:
        client.hear_sound(name, hear)
        first = _next(blocks, stop, _FIRST_S)
        if first is None:
            if not stop.is_set():
                _fail(
                    f"{name}: no sound within {_FIRST_S:g} s; is it the name of a microphone of this rig? (`rig meter` lists them)",
                    EXIT_FAILED,
                )
            return
        takers: list[Take] = []
        if out is not None:
            takers.append(stack.enter_context(_to_file(out.expanduser(), first)))
        if play:
            takers.append(stack.enter_context(_to_player(first, stop)))
        block = first
        while True:
            for take in takers:
                take(block)
            following = _next(blocks, stop, None)
            if following is None:
                break
            block = following
    if out is not None:
        typer.echo(f"{name} in {out}" + (f"; {missed} blocks are missing, the machine was too slow" if missed else ""))


def _next(blocks: "queue.Queue[HeardSound]", stop: threading.Event, timeout_s: float | None) -> HeardSound | None:
    """The next block; None where it is told to stop, or none comes in time."""
    waited = 0.0
    while not stop.is_set() and (timeout_s is None or waited < timeout_s):
        try:
            return blocks.get(timeout=_LOOK_S)
        except queue.Empty:
            waited += _LOOK_S
    return None


@contextmanager
def _to_file(out: Path, first: HeardSound) -> Iterator[Take]:
    writer = SoundWriter(out, kind_of(out), SoundFormat(first.sample_format, first.sample_rate, first.channels))
    try:
        yield lambda block: writer.write(block.data)
    finally:
        writer.close()


@contextmanager
def _to_player(first: HeardSound, stop: threading.Event) -> Iterator[Take]:
    rate, channels = str(first.sample_rate), str(first.channels)
    raw = ["--raw", f"--rate={rate}", f"--channels={channels}", f"--format={_PULSE[first.sample_format]}", "--latency-msec=200"]
    source = ["-f", first.sample_format.lower(), "-ar", rate, "-ch_layout", f"{channels}c", "-i", "-"]
    command = _player(["paplay", *raw], ["ffplay", "-v", "error", "-nodisp", "-fflags", "nobuffer", *source])
    # A group of its own: Ctrl-C is for this program, which then ends the player in order.
    player = subprocess.Popen(command, stdin=subprocess.PIPE, process_group=0)
    assert player.stdin is not None
    pipe = player.stdin

    def play(block: HeardSound) -> None:
        try:
            pipe.write(block.data)
            pipe.flush()
        except BrokenPipeError:
            stop.set()

    try:
        yield play
    finally:
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
        player.terminate()
        code = player.wait()
    if code > 0:
        _fail(f"{command[0]} ended with code {code}", EXIT_FAILED)


def _player(*commands: list[str]) -> list[str]:
    found = next((command for command in commands if command and shutil.which(command[0])), None)
    if found is None:
        _fail(
            "neither paplay nor ffplay was found; install one: sudo apt-get install pulseaudio-utils (or ffmpeg), or use --out", EXIT_FAILED
        )
    return found


def _fail(message: str, code: int) -> NoReturn:
    typer.secho("error: ", fg="red", nl=False, err=True)
    typer.echo(message, err=True)
    raise typer.Exit(code)
