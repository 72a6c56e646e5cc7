"""The log of events: nobody waits for its disk, it keeps within its size, and it tells what it lost."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rig_capture.health.catalogue import LOG_LOST_EVENTS
from rig_capture.health.events import Event
from rig_capture.health.log import LogWriter
from rig_capture.health.stores import DATABASE, LINES, LogReader
from rig_capture.profiles.settings.health import HealthSettings
from test.health.parts import problem

FORMATS = ("jsonl", "sqlite")


def writer(folder: Path, log_format: str = "jsonl", **settings: object) -> LogWriter:
    """A log in a folder."""
    return LogWriter("/status", folder, HealthSettings.model_validate({"log_format": log_format} | settings))


def write(folder: Path, events: list[Event], log_format: str = "jsonl", **settings: object) -> None:
    """One life of a log."""
    log = writer(folder, log_format, **settings)
    log.start()
    for event in events:
        assert log.put(event)
    assert log.stop(60)


def until(condition: Callable[[], object], what: str) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.005)


@pytest.mark.parametrize("log_format", FORMATS)
def test_what_is_written_is_read_and_what_is_added_is_read_later(tmp_path: Path, log_format: str) -> None:
    reader = LogReader(tmp_path)
    assert reader.new() == []
    write(tmp_path, [problem(1), problem(2)], log_format)
    assert reader.new() == [problem(1), problem(2)]
    write(tmp_path, [problem(1, recovered=True)], log_format)
    assert reader.new() == [problem(1, recovered=True)]
    assert reader.new() == []
    assert reader.problems.events == [problem(2)]
    assert reader.torn == 0


@pytest.mark.parametrize("log_format", FORMATS)
def test_what_is_heard_again_by_a_log_that_was_started_anew_is_not_written_again(tmp_path: Path, log_format: str) -> None:
    past = [problem(1), problem(1, recovered=True), problem(2), problem(0, code="recording_failed")]
    write(tmp_path, past, log_format)
    write(tmp_path, [*past, problem(3)], log_format)
    assert LogReader(tmp_path).new() == [*past, problem(3)]


@pytest.mark.parametrize("log_format", FORMATS)
def test_the_log_keeps_within_its_size_and_never_forgets_what_is_open(tmp_path: Path, log_format: str) -> None:
    still_open = problem(7)
    events = [still_open]
    for number in range(100, 2000):
        events += [problem(number), problem(number, recovered=True)]
    write(tmp_path, events, log_format, log_file_bytes=20_000, log_files=3, log_queue=10_000)
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size <= (60_000 if log_format == "jsonl" else 100_000)
    reader = LogReader(tmp_path)
    read = reader.new()
    assert reader.problems.events == [still_open]
    assert read.count(still_open) == 1, "written again with each new file, but told once"
    assert read[-1] == events[-1]
    assert len(read) > 100


def test_a_stuck_disk_keeps_nobody_waiting_and_the_loss_is_in_the_log_when_it_is_back(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / LINES)  # opening it for writing waits for a reader, as a disk that hangs
    log = writer(tmp_path, log_queue=100)
    log.start()
    longest = 0.0
    events = [problem(number) for number in range(5000)]
    kept = []
    for event in events:
        begin = time.monotonic()
        if log.put(event):
            kept.append(event)
        longest = max(longest, time.monotonic() - begin)
    assert longest < 0.2, "a put waits for a lock at most"
    assert 100 <= len(kept) < len(events)
    assert "stuck" in log.problem
    assert log.is_behind
    log.open(events[4990:])
    with (tmp_path / LINES).open("rb") as disk:
        ended = threading.Thread(target=log.stop, args=(30.0,))
        ended.start()
        lines = disk.read().splitlines()  # until the writer closes it
        ended.join()
    told = [Event.parse(line) for line in lines]
    losses = [event for event in told if event.code == LOG_LOST_EVENTS.name]
    assert sum(int(str(event.evidence["lost"])) for event in losses) >= len(events) - len(kept)
    assert [event for event in told if event.code == "device_lost" and not event.recovered][: len(kept)] == kept


def test_a_disk_that_can_not_be_written_is_tried_again_and_what_is_open_gets_into_the_log(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.write_text("in the way")
    log = writer(folder)
    log.start()
    log.put(problem(1))
    until(lambda: log.problem, "the loss is counted")
    assert log.is_behind
    folder.unlink()
    log.open([problem(1), problem(2)])
    until(lambda: not log.problem, "the loss is told")
    assert not log.is_behind
    assert log.stop(30)
    loss, *told = LogReader(folder).new()
    assert (loss.code, loss.node, loss.evidence["lost"]) == ("log_lost_events", "/status", 1)
    assert told == [problem(1), problem(2)]


def test_problems_of_nodes_that_are_gone_end_in_the_log(tmp_path: Path) -> None:
    write(tmp_path, [problem(1), problem(2)])
    log = writer(tmp_path)
    log.start()
    log.open([problem(2)])
    assert log.stop(30)
    reader = LogReader(tmp_path)
    assert [(event.subject, event.recovered) for event in reader.new()] == [("imu1", False), ("imu2", False), ("imu1", True)]
    assert reader.problems.events == [problem(2)]


def test_a_line_that_a_crash_broke_off_costs_that_line_only(tmp_path: Path) -> None:
    write(tmp_path, [problem(1), problem(2)])
    file = tmp_path / LINES
    file.write_bytes(file.read_bytes()[:-20])
    write(tmp_path, [problem(3)])
    reader = LogReader(tmp_path)
    assert reader.new() == [problem(1), problem(3)]
    assert reader.torn == 1


def test_a_log_whose_form_was_changed_is_read_as_one(tmp_path: Path) -> None:
    write(tmp_path, [problem(1)], "jsonl")
    write(tmp_path, [problem(1, recovered=True)], "sqlite")
    assert {path.name for path in tmp_path.iterdir()} >= {LINES, DATABASE}
    reader = LogReader(tmp_path)
    assert reader.new() == [problem(1), problem(1, recovered=True)]
    assert len(reader.problems) == 0


def test_a_follower_misses_nothing_across_rotation(tmp_path: Path) -> None:
    log = writer(tmp_path, log_file_bytes=10_000, log_files=4)
    log.start()
    reader = LogReader(tmp_path)
    read: list[Event] = []
    events = [problem(number, code="recording_failed") for number in range(150)]

    def catch_up() -> int:
        read.extend(reader.new())
        return len(read)

    for number, event in enumerate(events):
        log.put(event)
        if number % 30 == 29:
            until(lambda: catch_up() > number, "the events")  # noqa: B023
    assert log.stop(30)
    assert read == events
    assert (tmp_path / f"{LINES}.1").exists()
