"""The files of a stream of video or sound, and the packets in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from rig_capture.playback.errors import PlaybackError
from rig_capture.session import tags
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import Manifest


@dataclass(frozen=True)
class Part:
    """One track of one file."""

    path: Path
    track: int
    zero_ns: int
    """Stamp of the file's time 0."""
    first_ns: int
    """Stamp of the track's first packet, to a millisecond."""


def parts_of(layout: SessionLayout, manifest: Manifest, name: str) -> list[Part]:
    """Where a stream's packets are, in order: in its chunks, or in the merged file where those were removed.

    Raises:
        PlaybackError: a file can't be opened.
        UnsafePath: the manifest names one outside the session.
    """
    own = sorted(entry.path for entry in manifest.files if entry.stream == name and entry.kind in ("video", "audio"))
    if own:
        return [part for path in own for part in _tracks(layout.resolve(path), "")]
    merged = [entry.path for entry in manifest.files if entry.kind == "merged"]
    return [part for path in merged for part in _tracks(layout.resolve(path), name)]


def _tracks(path: Path, name: str) -> Iterator[Part]:
    """The file's first track, or all of a stream where it has a name."""
    with opened(path) as container:
        zero_ns = int(container.metadata.get(tags.START_STAMP_NS, 0))
        if not name:
            yield Part(path, 0, zero_ns, zero_ns)
            return
        tracks = [track.index for track in container.streams if track.metadata.get(tags.STREAM) == name]
    for track in tracks:
        with opened(path) as container:
            first = next((packet for packet in container.demux(container.streams[track]) if packet.pts is not None), None)
            if first is not None:
                yield Part(path, track, zero_ns, zero_ns + pts_ns(first))


def opened(path: Path) -> InputContainer:
    """A Matroska file, to be closed by `with`. Raises PlaybackError."""
    try:
        return av.open(str(path), format="matroska")
    except (OSError, av.FFmpegError) as error:
        raise PlaybackError(f"{path}: can't be opened: {error}; `rig verify` tells what is wrong with the session") from error


def pts_ns(packet: "av.Packet[Any]") -> int:
    """The time in the file, ns, of a packet that has one."""
    assert packet.pts is not None
    return round(packet.pts * packet.time_base * 10**9)


def seek(container: InputContainer, part: Part, start_ns: int) -> None:
    """Goes to the last keyframe at or before a stamp; to the beginning where there is none."""
    ahead_us = (start_ns - part.zero_ns) // 1000
    if ahead_us > 0:
        container.seek(ahead_us, backward=True)
