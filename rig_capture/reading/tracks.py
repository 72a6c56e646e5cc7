"""The files and the table of a stream of video or sound, also of sessions that are damaged or not finished."""

import io
import re
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rig_capture.playback.errors import PlaybackError
from rig_capture.playback.files import Part, opened, parts_of
from rig_capture.playback.frames import FrameTable
from rig_capture.reading.stream import Source, Stream, Tally, pandas_module
from rig_capture.session import tags
from rig_capture.session.layout import CHUNK_NAME
from rig_capture.session.manifest import parse_time

if TYPE_CHECKING:
    from pandas import DataFrame

Column = npt.NDArray[np.int64]

_COLUMNS = ("seq", "stamp_ns", "pts_ns", "keyframe", "bytes")
_MOST_RUNS = 5
"""Places of missing packets that are told; more are summed up."""
_MICROSECOND_NS = 1_000
"""Manifests keep times of files in whole microseconds."""


class Track(Stream):
    """A stream in Matroska files, with a table of its packets."""

    @property
    def table(self) -> dict[str, Column]:
        """Rows of frames.csv, one per frame or block as received; no video or sound is opened for it.

        Returns:
            Arrays (N,): seq, stamp_ns (ns since the epoch), pts_ns (the driver's time, ns), keyframe (0 or 1), bytes.

        Raises:
            Incomplete: the table is damaged.
        """
        reading = TrackReading(self._source, self, None, None)
        reading.tally.read = len(reading.table.rows)
        reading.tally.close(None, None, to_the_end=False)
        columns = {name: reading.table.rows[:, column] for column, name in enumerate(_COLUMNS)}
        return columns if self.clock is None else columns | {"stamp_ns": self.clock.to_common(columns["stamp_ns"])}

    def to_pandas(self) -> "DataFrame":
        """`table` as a DataFrame with the index stamp_ns.

        Raises:
            ExtraMissing: pandas is not installed.
            Incomplete: as `table`.
        """
        return pandas_module().DataFrame(self.table).set_index("stamp_ns")


class TrackReading:
    """One pass over a track: which files to open, and which rows of the table were met."""

    def __init__(self, source: Source, track: Track, start_ns: int | None, stop_ns: int | None) -> None:
        self._source, self._track = source, track
        self.start_ns, self.stop_ns = start_ns, stop_ns
        self.tally = Tally(source, track.name)
        self.table = FrameTable(self._rows())
        stamps = self.table.stamps_ns
        self._wanted = np.ones(len(stamps), bool)
        if start_ns is not None:
            self._wanted &= stamps >= start_ns
        if stop_ns is not None:
            self._wanted &= stamps < stop_ns
        self._met = np.zeros(len(stamps), bool)
        self._at = 0

    def parts(self) -> Iterator[tuple[Part, int | None]]:
        """Files from the start on, each with the first stamp of the one after it. Those that can't be opened are told at the end."""
        before: Part | None = None
        for part in self._opened():
            if before is not None:
                yield before, part.first_ns
            before = part
            if self._is_over(part):
                return
        if before is not None:
            yield before, None

    def failed(self, error: object) -> None:
        """Something could not be read, and is told at the end."""
        self.tally.failed(error)

    def meet(self, stamp_ns: int) -> int | None:
        """A packet was given out; how many bytes it had when it was received, None where the table lacks it."""
        self.tally.count(stamp_ns)
        stamps = self.table.stamps_ns
        if self._at >= len(stamps) or stamps[self._at] != stamp_ns:
            found = np.flatnonzero((stamps == stamp_ns) & ~self._met)
            if not len(found):
                return None
            self._at = int(found[0])
        self._met[self._at] = True
        self._at += 1
        return int(self.table.rows[self._at - 1, -1])

    def close(self) -> None:
        """Everything that can be read was read. Raises Incomplete."""
        entry, stamps = self._source.manifest.streams[self._track.name], self.table.stamps_ns
        self.tally.reasons += self._missing()
        expected, last_ns = int(self._wanted.sum()), int(stamps[self._wanted].max(initial=-1))
        if self.start_ns is None and self.stop_ns is None and not self._source.unfinished:
            expected, last_ns = max(expected, entry.messages), max(last_ns, entry.last_stamp_ns or -1)
        # Of a session that is being recorded, packets came that were not in the table yet when it was read.
        expected = max(expected, self.tally.read)
        to_the_end = self.stop_ns is None
        self.tally.close(expected, last_ns if last_ns >= 0 else None, to_the_end=to_the_end)

    def _missing(self) -> Iterator[str]:
        missing = np.flatnonzero(self._wanted & ~self._met)
        runs = [[index for _, index in run] for _, run in groupby(enumerate(missing.tolist()), lambda pair: pair[1] - pair[0])]
        for run in runs[:_MOST_RUNS]:
            first, last = self.table.stamps_ns[run[0]], self.table.stamps_ns[run[-1]]
            yield f"{len(run)} that frames.csv has from stamp {first} to {last} ns are in no file or can't be decoded"
        if len(runs) > _MOST_RUNS:
            yield f"and {len(runs) - _MOST_RUNS} more such places"

    def _is_over(self, part: Part) -> bool:
        wanted = np.flatnonzero(self._wanted)
        return self.stop_ns is not None and (not len(wanted) or self.table.index_of(part.first_ns) > wanted[-1])

    def _opened(self) -> Iterator[Part]:
        paths = self._paths()
        if not paths:
            try:
                yield from parts_of(self._source.layout, self._source.manifest, self._track.name)
            except PlaybackError as error:
                self.failed(error)
            return
        for path in paths:
            try:
                with opened(self._source.layout.resolve(path)) as container:
                    zero_ns = int(container.metadata[tags.START_STAMP_NS])
            except (PlaybackError, KeyError, ValueError) as error:
                self.failed(error if isinstance(error, PlaybackError) else f"{path}: does not tell when it begins")
                continue
            yield Part(self._source.layout.resolve(path), 0, zero_ns, zero_ns)

    def _paths(self) -> list[str]:
        """Chunks, without those that surely end before the start."""
        name = self._track.name
        began = {entry.path: entry.started_at for entry in self._source.manifest.files if entry.stream == name and entry.kind in _KINDS}
        folder = self._source.layout.resolve(name)
        if self._source.unfinished and folder.is_dir():
            began |= {
                f"{name}/{path.name}": ""
                for path in folder.iterdir()
                if CHUNK_NAME.fullmatch(path.name) and f"{name}/{path.name}" not in began
            }
        paths = sorted(began)
        start_ns = self.start_ns
        if start_ns is None:
            return paths
        over = [path for path in paths[1:] if began[path] and parse_time(began[path]) + _MICROSECOND_NS <= start_ns]
        return paths[len(over) :]

    def _rows(self) -> Column:
        """The table, of a damaged one what is good before the damage; (N, 5)."""
        path = self._source.layout.resolve(f"{self._track.name}/frames.csv")
        try:
            text = path.read_bytes()
        except OSError as error:
            self.failed(f"{path}: can't be read: {error}; `rig repair` mends sessions that were interrupted")
            return np.empty((0, len(_COLUMNS)), np.int64)
        lines = text.splitlines()[1:]
        try:
            return _parsed(lines)
        except ValueError:
            good = 0
            for line in lines:
                if not re.fullmatch(rb"-?\d{1,18}(,-?\d{1,19}){4}", line):
                    break
                good += 1
            # The last line of a table that is being written may end anywhere.
            if not (self._source.unfinished and good == len(lines) - 1):
                self.failed(f"{path}: line {good + 2} is damaged; what follows it is not used")
            return _parsed(lines[:good])


_KINDS = ("video", "audio")


def _parsed(lines: list[bytes]) -> Column:
    if not lines:
        return np.empty((0, len(_COLUMNS)), np.int64)
    return np.loadtxt(io.BytesIO(b"\n".join(lines)), dtype=np.int64, delimiter=",", ndmin=2).reshape(-1, len(_COLUMNS))
