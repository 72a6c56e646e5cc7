"""A day of looks and events, in accelerated time: what is kept in memory and on the disk does not grow."""

import contextlib
import math
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig_capture.health.events import Event, Severity
from rig_capture.health.findings import Finding, of_disk, of_memory, of_ntp, of_other_clock, of_processor
from rig_capture.health.log import LogWriter
from rig_capture.health.stores import LogReader
from rig_capture.health.tracker import ProblemTracker
from rig_capture.profiles.settings.health import HealthSettings

DAY_S = 24 * 3600
STEP_S = 10
BEGIN_NS = 1_700_000_000 * 10**9


def looks(second: int, settings: HealthSettings, tracker: ProblemTracker) -> Iterator[Finding]:
    """A machine whose values swing to and fro across their limits, each with a period of its own."""

    def swing(period_s: float) -> float:
        return 0.5 + 0.5 * math.sin(2 * math.pi * second / period_s)

    def is_open(code: object, subject: str) -> bool:
        return tracker.is_open((code.name, subject))  # type: ignore[attr-defined]

    yield from of_disk("/data", 10**12, int(0.2 * swing(700) * 10**12), settings, is_open)
    yield from of_processor(100 * swing(90), 10 * swing(400), 2, 60 + 40 * swing(300), settings, is_open)
    yield from of_memory(10**10, int(0.1 * swing(500) * 10**10), settings, is_open)
    yield from of_other_clock("pi", "/base/clock", int(40e6 * swing(120)), 10**6, settings, is_open)
    yield from of_ntp(swing(3000) > 0.3, 0.2 * swing(600), "chrony", settings, is_open)


def events_of_a_day(settings: HealthSettings, tracker: ProblemTracker) -> Iterator[tuple[int, Event]]:
    """Each second with an event, and the event."""
    for second in range(0, DAY_S, STEP_S):
        for found in looks(second, settings, tracker):
            key = (found.code.name, found.subject)
            change = tracker.observe(key, problem=found.problem, now=float(second), hold=found.hold)
            if change is not None:
                yield (
                    second,
                    Event(
                        stamp_ns=BEGIN_NS + second * 10**9,
                        node="/status",
                        family=found.code.family,
                        code=found.code.name,
                        subject=found.subject,
                        severity=Severity.INFO if change.recovered else found.code.severity,
                        message=found.message,
                        recovered=change.recovered,
                        evidence=found.evidence,
                    ),
                )


def bytes_in(folder: Path) -> int:
    """Of all files; those that are just being renamed or removed count as nothing."""
    total = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


@pytest.mark.parametrize("log_format", ["jsonl", "sqlite"])
def test_a_day_of_problems_leaves_memory_and_log_bounded(tmp_path: Path, log_format: str) -> None:
    settings = HealthSettings.model_validate({"log_format": log_format, "log_file_bytes": 50_000, "log_files": 3})
    tracker, log = ProblemTracker(), LogWriter("/status", tmp_path, settings)
    log.start()
    told: dict[tuple[str, str], list[bool]] = {}
    sizes: dict[int, tuple[int, int]] = {}
    count = 0
    tracemalloc.start()
    try:
        for second, event in events_of_a_day(settings, tracker):
            deadline = time.monotonic() + 20
            while not log.put(event):  # a day passes faster here than the log can be written
                assert time.monotonic() < deadline
            count += 1
            # At its end a problem is of no more use here; only how they took turns.
            told.setdefault((event.code, event.subject), []).append(event.recovered)
            if (hour := second // 3600) not in sizes:
                on_disk = bytes_in(tmp_path)
                sizes[hour] = (tracemalloc.get_traced_memory()[0], on_disk)
    finally:
        tracemalloc.stop()
    assert log.stop(60)
    assert count > 1000
    assert all(recovered == bool(number % 2) for turns in told.values() for number, recovered in enumerate(turns))
    assert max(size for _, size in sizes.values()) <= (150_000 if log_format == "jsonl" else 600_000)
    assert sizes[23][0] - sizes[2][0] < 6_000_000, "the last ten thousand events are known by their names, and no more"
    reader = LogReader(tmp_path)
    reader.new()
    open_now = {key for key, turns in told.items() if not turns[-1]}
    assert {(event.code, event.subject) for event in reader.problems.events if event.code != "log_lost_events"} == open_now
