"""Encoding raw pictures by the ffmpeg program: pictures into its standard input, packets in NUT out of its standard output."""

import contextlib
import functools
import os
import queue
import subprocess
import tempfile
from collections.abc import Iterable
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.images.encoding import KEYFRAME_FRAMES, NOMINAL_FPS, Encoded, EncoderFailed, encoded_format, options
from rig_capture.recorder.images.picture_pipe import PicturePipe, PipeStuck
from rig_capture.recorder.images.pyav_encoder import frame_of
from rig_capture.recorder.images.reading import Picture

_STUCK_S = 10.0
"""A program that takes no byte for so long is given up."""
_END_S = 20.0
"""Longest wait for the rest once its input is closed."""


class FfmpegEncoder:
    """One run of the program, with a thread that reads what it writes."""

    def __init__(self, encoder: str, settings: RecorderSettings, first: Picture) -> None:
        """Starts it for pictures like `first`. Raises EncoderFailed where it can't be started, or lacks the encoder."""
        if reason := why_unusable(encoder, tuple(options(encoder, settings).items())):
            raise EncoderFailed(reason)
        self._format = piped_format(encoder, first)
        self._reformatter = VideoReformatter()
        self._packets: queue.SimpleQueue[Encoded] = queue.SimpleQueue()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed in finish
        try:
            self.process = subprocess.Popen(
                command(encoder, settings, first),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=_environment(),
                process_group=0,  # Ctrl-C is for us; for it, it is the end of its input
                bufsize=0,
            )
        except OSError as error:
            self._said.close()
            raise EncoderFailed(f"the ffmpeg program can't be started: {error}") from error
        assert self.process.stdin is not None
        self._pipe = PicturePipe(self.process.stdin.fileno(), _STUCK_S)
        self._reader = OwnedThread("ffmpeg", self._read)
        self._reader.start()

    def encode(self, picture: Picture, *, keyframe: bool) -> list[Encoded]:  # the program sets its own keyframes
        if self._format in (picture.pixel_format, "gray"):
            self._write(picture.rows)
        else:
            frame = self._reformatter.reformat(frame_of(picture), format=self._format, threads=1)
            for plane in frame.planes:
                rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
                self._write(rows[: plane.height, : plane.width])
        return self._ready()

    def finish(self) -> list[Encoded]:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        self._said.close()
        return self._ready()

    def _ready(self) -> list[Encoded]:
        packets = []
        with contextlib.suppress(queue.Empty):
            while True:
                packets.append(self._packets.get_nowait())
        return packets

    def _write(self, rows: npt.NDArray[np.uint8]) -> None:
        try:
            self._pipe.write(np.ascontiguousarray(rows))
        except PipeStuck as error:
            self.process.kill()
            raise EncoderFailed(f"the ffmpeg program took nothing for {_STUCK_S:g} s") from error
        except OSError as error:
            raise EncoderFailed(self._why_it_ended()) from error

    def _why_it_ended(self) -> str:
        if self._reader.failure is not None:  # which closed its output
            return f"what the ffmpeg program wrote can't be read: {self._reader.failure}"
        try:
            code: object = self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = "none, it hung"
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return f"the ffmpeg program ended with code {code}{': ' + lines[-1] if lines else ''}"

    def _read(self) -> None:
        """Reads until the program closes its output; where it breaks off, what is missing is counted by who gave it in."""
        assert self.process.stdout is not None
        probing = {"probesize": "32", "analyzeduration": "0", "fpsprobesize": "0"}  # or the first second would be held back
        with (
            self.process.stdout as pipe,
            contextlib.suppress(av.FFmpegError, OSError),
            # By its number, so that FFmpeg reads it, not Python.
            av.open(f"pipe:{pipe.fileno()}", "r", format="nut", options=probing) as packets,
        ):
            for packet in packets.demux(video=0):
                if packet.pts is not None:
                    index = round(packet.pts * cast("float", packet.time_base) * NOMINAL_FPS)
                    self._packets.put(Encoded(index, bytes(packet), packet.is_keyframe))


def command(encoder: str, settings: RecorderSettings, first: Picture) -> list[str]:
    """The command line for pictures like `first`."""
    source = ["-f", "rawvideo", "-pix_fmt", piped_format(encoder, first), "-s", f"{first.width}x{first.height}"]
    chosen = options(encoder, settings)
    return [
        *("ffmpeg", "-nostdin", "-hide_banner", "-v", "error", *source, "-r", str(NOMINAL_FPS), "-i", "pipe:0", "-an"),
        *("-c:v", encoder, "-pix_fmt", encoded_format(encoder, first), *_words(chosen.items())),
        *("-g", "1" if encoder in ("ffv1", "mjpeg") else str(KEYFRAME_FRAMES)),
        # Parameter sets in band, as in all our video, so that a chunk may begin at any keyframe.
        *(("-bsf:v", "dump_extra=freq=keyframe") if encoder in ("libx264", "libx265", "h264_nvenc", "hevc_nvenc") else ()),
        *("-flush_packets", "1", "-f", "nut", "pipe:1"),
    ]


def piped_format(encoder: str, first: Picture) -> str:
    """Pixel format in which pictures go through the pipe, the greatest cost of an encoder that is another process.

    Where the encoder halves the colours anyway, that is done before. A Bayer mosaic that stays one goes as grey.
    """
    if encoder == "ffv1" and first.pixel_format.startswith("bayer"):
        return "gray"
    target = encoded_format(encoder, first)
    return target if target == "yuv420p" and first.pixel_format != "gray" else first.pixel_format


@functools.lru_cache
def why_unusable(encoder: str, chosen: tuple[tuple[str, str], ...]) -> str:
    """Encodes one small picture: an encoder may be compiled in, and the hardware or its driver not be there.

    Returns:
        Why it can't be used, empty where it can; found out once in a process.
    """
    source = [
        "-f",
        "lavfi",
        "-i",
        "color=size=256x256:rate=1",
        "-frames:v",
        "1",
        "-pix_fmt",
        "yuvj420p" if encoder == "mjpeg" else "yuv420p",
    ]
    words = ["ffmpeg", "-nostdin", "-v", "error", *source, "-c:v", encoder, *_words(chosen), "-f", "null", "-"]
    try:
        done = subprocess.run(words, env=_environment(), capture_output=True, timeout=_END_S, process_group=0, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the ffmpeg program can't be used: {error}"
    if not done.returncode:
        return ""
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[0] if lines else f"the ffmpeg program ended with code {done.returncode}"


def _words(chosen: Iterable[tuple[str, str]]) -> list[str]:
    return [word for key, value in chosen for word in (f"-{key}", value)]


def _environment() -> dict[str, str]:
    """Without our library path: the program is the system's."""
    return {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"} | {"SVT_LOG": "1"}
