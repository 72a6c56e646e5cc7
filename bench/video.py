"""`./rig bench video`: our encoders against the ffmpeg program with the same codec, preset, quality and input, in turn.

What is compared is CPU time per frame, of all processes together, once they run: each side's own start, a run of one frame, is
taken off. Both read the same raw file; nothing is written.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

_SIZE = (1280, 720)
_FILE_FRAMES = 150
_FRAMES = 1200
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-crf", "23", "-bf", "0", "-pix_fmt", "yuv420p")


@dataclass(frozen=True)
class Case:
    """One of our encoders, and what it is compared with."""

    ours: str
    codec: str
    pixel_format: str
    """Of the input."""
    threads: str
    """Of the ffmpeg program, as ours has them."""
    options: tuple[str, ...]
    """Of the ffmpeg program."""


CASES = {
    "camera-h264": Case("camera", "h264", "yuv420p", "1", _X264),
    "camera-mjpeg": Case("camera", "mjpeg", "yuv420p", "1", ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-qmin", "23", "-qmax", "23")),
    "recorder-pyav-h264": Case("pyav", "h264", "rgb24", "1", _X264),
    "recorder-ffmpeg-h264": Case("ffmpeg", "h264", "rgb24", "0", _X264),
}


def main(
    cases: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(CASES)}; none: all.")] = None,
    *,
    runs: Annotated[int, typer.Option(help="Runs of each; medians are shown.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Frames per CPU second of our encoders as a ratio to ffmpeg's; 1 is as fast, a higher ratio is better."""
    if unknown := sorted(set(cases or ()) - set(CASES)):
        raise typer.BadParameter(f"no such case: {', '.join(unknown)}; there are {', '.join(CASES)}")
    with tempfile.TemporaryDirectory(prefix="rig_bench_") as folder:
        sources = {name: _make_source(Path(folder), name) for name in ("yuv420p", "rgb24")}
        results = [_compare(name, CASES[name], sources[CASES[name].pixel_format], runs) for name in cases or CASES]
    if as_json:
        typer.echo(json.dumps({"cases": results}, indent=1))
        return
    for result in results:
        typer.echo("{case:>20}: ours {own_fps:.0f}, ffmpeg {ffmpeg_fps:.0f} frames per CPU second, ratio {ratio:.2f}".format(**result))


def _make_source(folder: Path, pixel_format: str) -> Path:
    path = folder / f"{pixel_format}.raw"
    make = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size={_SIZE[0]}x{_SIZE[1]}:rate=30"]
    subprocess.run([*make, "-frames:v", str(_FILE_FRAMES), "-pix_fmt", pixel_format, "-f", "rawvideo", str(path)], check=True)
    return path


def _compare(name: str, case: Case, source: Path, runs: int) -> dict[str, object]:
    pairs = [(_frame_s(case, source, ours=True), _frame_s(case, source, ours=False)) for _ in range(runs)]
    own, other = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(theirs / ours for ours, theirs in pairs)
    return {"case": name, "own_fps": 1 / own, "ffmpeg_fps": 1 / other, "ratio": ratio}


def _frame_s(case: Case, source: Path, *, ours: bool) -> float:
    """CPU seconds per frame."""
    command = _own if ours else _ffmpeg
    return (_cpu_s(command(case, source, _FRAMES)) - _cpu_s(command(case, source, 1))) / (_FRAMES - 1)


def _own(case: Case, source: Path, frames: int) -> list[str]:
    return [sys.executable, "-m", "bench.encode_child", case.ours, case.codec, str(source), *map(str, (*_SIZE, frames))]


def _ffmpeg(case: Case, source: Path, frames: int) -> list[str]:
    read = ["-stream_loop", "-1", "-f", "rawvideo", "-pix_fmt", case.pixel_format, "-s", f"{_SIZE[0]}x{_SIZE[1]}", "-r", "30"]
    write = [*case.options, "-g", "30", "-threads", case.threads, "-frames:v", str(frames), "-f", "null", "-"]
    return ["ffmpeg", "-nostdin", "-v", "error", *read, "-i", str(source), *write]


def _cpu_s(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=os.environ, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
