"""`./rig bench video`: the camera's encoder against the ffmpeg program with the same codec, preset, quality and input."""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

_SIZE = (1280, 720)
_FRAMES = 300
_LOOPS = 5
_FFMPEG = {
    "h264": ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-crf", "23", "-bf", "0"],
    "mjpeg": ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "23"],
}

# Run in a process of its own, so that its CPU time is counted as ffmpeg's is: from start to end.
_OWN = """
import sys
from pathlib import Path
import av, numpy as np
from rig_capture.profiles.settings import CameraSettings
from rig_capture.sensing.camera.encoder import Encoder
path, codec, width, height = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
encoder = Encoder(CameraSettings(codec=codec, width=width, height=height), (width, height))
size = width * height * 3 // 2
number = 0
for _ in range(int(sys.argv[5])):
    with open(path, "rb") as source:
        while data := source.read(size):
            frame = av.VideoFrame.from_ndarray(np.frombuffer(data, np.uint8).reshape(height * 3 // 2, width), format="yuv420p")
            encoder.encode(frame, keyframe=number % 30 == 0)
            number += 1
"""


def main(
    *,
    codecs: Annotated[list[str] | None, typer.Option("--codec", help="h264 or mjpeg; none: both.")] = None,
    runs: Annotated[int, typer.Option(help="Runs of each; medians are shown.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Frames per CPU second of our encoder as a ratio to ffmpeg's; 1 is as fast, a higher ratio is better."""
    with tempfile.TemporaryDirectory(prefix="rig_bench_") as folder:
        source = Path(folder) / "source.yuv"
        make = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size={_SIZE[0]}x{_SIZE[1]}:rate=30"]
        subprocess.run([*make, "-frames:v", str(_FRAMES), "-pix_fmt", "yuv420p", "-f", "rawvideo", str(source)], check=True)
        results = [_compare(codec, source, runs) for codec in codecs or _FFMPEG]
    if as_json:
        typer.echo(json.dumps({"codecs": results}, indent=1))
        return
    for result in results:
        typer.echo("{codec}: ours {own_fps:.0f}, ffmpeg {ffmpeg_fps:.0f} frames per CPU second, ratio {ratio:.2f}".format(**result))


def _compare(codec: str, source: Path, runs: int) -> dict[str, object]:
    size = f"{_SIZE[0]}x{_SIZE[1]}"
    read = ["-stream_loop", str(_LOOPS - 1), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", size, "-r", "30", "-i", str(source)]
    ffmpeg = ["ffmpeg", "-v", "error", *read, *_FFMPEG[codec], "-g", "30", "-threads", "1", "-f", "null", "-"]
    own = [sys.executable, "-c", _OWN, str(source), codec, *map(str, (*_SIZE, _LOOPS))]
    pairs = [(_cpu_s(own), _cpu_s(ffmpeg)) for _ in range(runs)]
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(other / mine for mine, other in pairs)
    return {"codec": codec, "own_fps": _FRAMES * _LOOPS / ours, "ffmpeg_fps": _FRAMES * _LOOPS / theirs, "ratio": ratio}


def _cpu_s(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=os.environ, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
