"""What processes use of the machine, over the time between two looks."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """What one process, with its children, uses."""

    cpu_percent: float
    """Of one core, since the meter was made."""
    memory_bytes: int
    """Proportional set size: shared pages are counted once over all who share them."""


class Meter:
    """Looks at processes once when made, and once when read."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._since = time.monotonic()
        self._before = {pid: _cpu_s(pid) for pid in pids}

    def read(self) -> dict[int, Usage]:
        """Usage by process id; processes that ended meanwhile are left out."""
        elapsed = max(time.monotonic() - self._since, 1e-3)
        usage: dict[int, Usage] = {}
        for pid, before in self._before.items():
            now, memory = _cpu_s(pid), _memory_bytes(pid)
            if before is not None and now is not None and memory is not None:
                usage[pid] = Usage(100 * max(0.0, now - before) / elapsed, memory)
        return usage


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _cpu_s(pid: int) -> float | None:
    try:
        return float(sum(sum(process.cpu_times()[:2]) for process in _family(pid)))
    except psutil.NoSuchProcess:
        return None


def _memory_bytes(pid: int) -> int | None:
    try:
        return int(sum(process.memory_full_info().pss for process in _family(pid)))
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return int(psutil.Process(pid).memory_info().rss)
