"""How levels look in a terminal: a bar per channel, with a mark that holds the peak."""

import math
import time
from collections.abc import Mapping

from rich import box
from rich.table import Table
from rich.text import Text

from rig_capture.sensing.audio.levels import Levels

_WIDTH = 32
_LOWEST_DBFS = -72.0
_HOLD_S = 1.5
_FALL_DB_S = 20.0


class PeakHold:
    """The largest peak of each channel of the last moments; afterwards it falls."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, int], tuple[float, float]] = {}

    def see(self, name: str, levels: Levels, now: float) -> tuple[float, ...]:
        """Takes new levels; gives what the marks show, dBFS.

        Args:
            name: of the source.
            levels: as they came.
            now: monotonic time, s.
        """
        shown = []
        for channel, peak in enumerate(levels.peak_dbfs):
            held, since = self._held.get((name, channel), (-math.inf, now))
            fallen = held - max(0.0, now - since - _HOLD_S) * _FALL_DB_S
            if peak >= fallen:
                self._held[name, channel] = (peak, now)
            shown.append(max(peak, fallen))
        return tuple(shown)


def screen(sources: Mapping[str, Levels | str], hold: PeakHold | None = None) -> Table:
    """A table of all sources.

    Args:
        sources: levels by name, or why there are none.
        hold: of the marks; None: the marks show the peaks as they are.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("source", style="cyan", no_wrap=True)
    table.add_column("ch", justify="right")
    table.add_column(f"{_LOWEST_DBFS:.0f} dBFS" + " " * (_WIDTH - 9) + "0", no_wrap=True)
    table.add_column("rms", justify="right", no_wrap=True, min_width=6)
    table.add_column("peak", justify="right", no_wrap=True, min_width=6)
    table.add_column("", overflow="fold")
    for name, levels in sources.items():
        if isinstance(levels, str):
            table.add_row(name, "", Text(levels, "bold red"), "", "", "")
            continue
        marks = levels.peak_dbfs if hold is None else hold.see(name, levels, time.monotonic())
        for channel, mark in enumerate(marks):
            rms = levels.rms_dbfs[channel]
            cells = (_bar(rms, mark), decibel_text(rms), decibel_text(mark), _flags(levels, channel))
            table.add_row(name if channel == 0 else "", str(channel), *cells)
    return table


def decibel_text(level: float) -> str:
    """A level in dBFS with one digit; silence as -inf."""
    return f"{level:.1f}" if math.isfinite(level) else "-inf"


def _bar(rms: float, mark: float) -> Text:
    filled, held = _cells(rms), _cells(mark)
    bar = Text()
    for cell in range(_WIDTH):
        at_dbfs = _LOWEST_DBFS * (1 - (cell + 1) / _WIDTH)
        style = "red" if at_dbfs > -3 else "yellow" if at_dbfs > -18 else "green"
        if held and cell == held - 1:
            bar.append("|", f"bold {style}")
        else:
            bar.append("█" if cell < filled else "·", style if cell < filled else "dim")
    return bar


def _cells(level: float) -> int:
    if not math.isfinite(level):
        return 0
    return max(0, min(_WIDTH, round((level - _LOWEST_DBFS) / -_LOWEST_DBFS * _WIDTH)))


def _flags(levels: Levels, channel: int) -> Text:
    words = [
        ("clips", "bold red") if levels.clipping[channel] else None,
        ("flat", "bold red") if levels.flatline[channel] else ("quiet", "yellow") if levels.low_signal[channel] else None,
        ("speech", "cyan") if levels.speech[channel] else None,
    ]
    twins = sorted({other for pair in levels.correlated if channel in pair for other in pair if other != channel})
    if twins:
        words.append((f"same as {', '.join(map(str, twins))}", "yellow"))
    return Text(" ").join(Text(*word) for word in words if word is not None)
