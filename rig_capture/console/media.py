"""Chunks of sessions as browsers play them: by stream copy into another container, kept in a folder of bounded size."""

import shutil
import threading
from collections import OrderedDict
from pathlib import Path

import av

from rig_capture.console.errors import ConsoleError
from rig_capture.playback.errors import PlaybackError
from rig_capture.playback.files import Part, opened
from rig_capture.profiles.units import format_bytes

_OPTIONS = {"mp4": {"movflags": "faststart"}}
_AT_ONCE = 2
Key = tuple[str, int, int, int]


class MediaCache:
    """Owns its folder, which is emptied when it begins and removed when it ends. `ready` is safe from many threads."""

    def __init__(self, folder: Path) -> None:
        """Touches nothing yet."""
        self.folder = folder
        self._lock = threading.Lock()
        self._making: dict[Key, threading.Lock] = {}
        self._files: OrderedDict[Key, tuple[Path, int]] = OrderedDict()
        self._number = 0
        self._at_once = threading.Semaphore(_AT_ONCE)

    def clear(self) -> None:
        """Removes everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def report(self, session: str) -> Path:
        """Where the quality report of a session is, once it was made."""
        return self.folder / "reports" / f"{session}.html"

    def ready(self, part: Part, suffix: str, limit: int, reserve: int) -> Path:
        """A file for browsers with what is in a chunk.

        Args:
            part: the track of a Matroska file.
            suffix: mp4, wav, flac or webm.
            limit: most bytes of all files together; one file may be larger, and is then alone.
            reserve: bytes that stay free on the disk.

        Raises:
            ConsoleError: the chunk can't be read, or there is no room.
        """
        try:
            found = part.path.stat()
        except OSError as error:
            raise ConsoleError(f"{part.path}: can't be read: {error.strerror}") from error
        key = (str(part.path), part.track, found.st_mtime_ns, found.st_size)
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:  # who asks for it while it is being made waits for it
            with self._lock:
                if key in self._files:
                    self._files.move_to_end(key)
                    return self._files[key][0]
            with self._at_once:
                path = self._made(part, suffix, found.st_size, limit, reserve)
            with self._lock:
                self._files[key] = (path, path.stat().st_size)
                self._making.pop(key, None)
            return path

    def _made(self, part: Part, suffix: str, size: int, limit: int, reserve: int) -> Path:
        self._make_room(max(0, limit - size))
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = shutil.disk_usage(self.folder).free
            if free - size < reserve:
                # Recordings need the room more.
                raise ConsoleError(f"{self.folder}: {format_bytes(free)} are free, which is too little to make {part.path.name} ready")
            with self._lock:
                self._number += 1
                path = self.folder / f"{self._number}.{suffix}"
            try:
                rewrap(part, path, suffix)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        except (OSError, PlaybackError, av.FFmpegError, ValueError) as error:
            raise ConsoleError(f"{part.path}: can't be made ready for a browser: {error}") from error
        return path

    def _make_room(self, limit: int) -> None:
        """Removes what was asked for longest ago; who is being sent such a file still gets all of it."""
        with self._lock:
            while self._files and sum(size for _, size in self._files.values()) > limit:
                _, (path, _) = self._files.popitem(last=False)
                path.unlink(missing_ok=True)


def rewrap(part: Part, path: Path, suffix: str) -> None:
    """Copies a track of a Matroska file into a file of its own, packet by packet, nothing decoded.

    Args:
        part: the track.
        path: of the new file.
        suffix: its format: mp4, wav, flac or webm.

    Raises:
        PlaybackError, OSError, av.FFmpegError: it can't be read or written.
    """
    with opened(part.path) as source, av.open(str(path), "w", format=suffix, options=_OPTIONS.get(suffix, {})) as target:
        track = source.streams[part.track]
        copy = target.add_stream_from_template(track, opaque=True)
        if track.codec_context.name == "hevc":
            copy.codec_context.codec_tag = "hvc1"  # by which Safari knows it
        first, before = None, None
        for packet in source.demux(track):
            if packet.pts is None:
                continue
            # A track of a merged file begins when its first sample was taken.
            first = packet.pts if first is None else first
            packet.pts -= first
            packet.dts = packet.pts if packet.dts is None else packet.dts - first
            packet.stream = copy
            if before is not None and not packet.duration:
                # Without, MP4 would end as its last picture begins, which is then not shown.
                packet.duration = packet.dts - before
            before = packet.dts
            target.mux_one(packet)
