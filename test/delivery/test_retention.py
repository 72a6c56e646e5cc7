"""Making room: the oldest sessions that are proven to be elsewhere go, and nothing else."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rig_capture.cli import main
from rig_capture.delivery.ingest import WRITE_ROLES, DataInterface
from rig_capture.delivery.ledger import read_removals
from rig_capture.delivery.retention import AGE, FREE, RemovedSession, RoomMaker
from rig_capture.profiles.places import ledger_path
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.session.layout import SessionLayout, sessions_in
from rig_capture.session.lock import SessionLock
from rig_capture.session.removal import REMOVING
from test.delivery.sessions import make_session

IDS = [f"rec_20260507_14302{index}_aaaa" for index in range(4)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four sessions, none of them sent."""
    for recording_id in IDS:
        make_session(tmp_path / "sessions" / recording_id, recording_id=recording_id)
    return tmp_path / "sessions"


@pytest.fixture
def settings(tmp_path: Path, root: Path) -> RecorderParameters:
    """Of a recorder."""
    return RecorderParameters(storage_path=str(root), store=str(tmp_path / "store"), catalog=str(tmp_path / "catalog.db"))


def send(settings: RecorderParameters, *recording_ids: str) -> None:
    """Brings sessions into store and catalog."""
    with DataInterface.open(settings, WRITE_ROLES) as data:
        for recording_id in recording_ids:
            session = Path(settings.storage_path) / recording_id
            data.ingest(manifest_path=SessionLayout(session).manifest, source_dir=session)


@contextmanager
def making_room(
    settings: RecorderParameters, is_short: Callable[[], bool], is_idle: Callable[[], bool] = lambda: True
) -> Iterator[tuple[RoomMaker, list[RemovedSession]]]:
    """A maker of room at work."""
    removed: list[RemovedSession] = []
    maker = RoomMaker(settings, is_short, removed.append, is_idle, look_s=0.05, retry_s=0.05)
    maker.start()
    try:
        yield maker, removed
    finally:
        maker.stop()


def look(maker: RoomMaker) -> None:
    """Asks for a look and waits until it is over."""
    is_over = maker.ask()
    pause = threading.Event()
    for _ in range(2000):
        if is_over():
            return
        pause.wait(0.01)
    pytest.fail("the look was not over within 20 s")


def test_the_oldest_go_until_there_is_room(settings: RecorderParameters, root: Path) -> None:
    send(settings, *IDS)
    with making_room(settings, lambda: len(sessions_in(root)) > 2) as (maker, removed):
        look(maker)
        assert [session.name for session in sessions_in(root)] == IDS[2:]
    assert [session.recording_id for session in removed] == IDS[:2]
    assert all("right sizes and checksums" in session.proof for session in removed)
    assert removed[0].bytes > 0


def test_what_is_not_proven_stays_however_short_room_is(settings: RecorderParameters, root: Path) -> None:
    send(settings, IDS[1], IDS[3])
    with making_room(settings, lambda: True) as (maker, removed):
        look(maker)
        assert "is not in the catalog" in maker.last_error
    assert [session.name for session in sessions_in(root)] == [IDS[0], IDS[2]]
    assert [session.recording_id for session in removed] == [IDS[1], IDS[3]]


def test_nothing_goes_while_there_is_room_when_offline_or_where_it_is_not_wanted(settings: RecorderParameters, root: Path) -> None:
    send(settings, *IDS)
    for changes, short in (({}, False), ({"offline": True}, True), ({"make_room": False}, True)):
        with making_room(settings.model_copy(update=changes), lambda short=short: short) as (maker, _):  # type: ignore[misc]
            look(maker)
        assert len(sessions_in(root)) == len(IDS)


def test_a_session_that_is_recorded_or_repaired_is_left_alone(settings: RecorderParameters, root: Path) -> None:
    send(settings, *IDS[:3])
    SessionLayout(root / IDS[1]).complete_mark.unlink()
    with SessionLock(root / IDS[0]), making_room(settings, lambda: True) as (maker, _):
        look(maker)
        assert [session.name for session in sessions_in(root)] == [IDS[0], IDS[1], IDS[3]]


def test_a_store_that_is_away_keeps_everything_and_room_is_made_when_it_is_back(
    settings: RecorderParameters, root: Path, tmp_path: Path
) -> None:
    send(settings, *IDS)
    away = Path(settings.store).rename(tmp_path / "away")
    with making_room(settings, lambda: bool(sessions_in(root))) as (maker, removed):
        look(maker)
        assert removed == []
        assert len(sessions_in(root)) == len(IDS)
        away.rename(settings.store)
        look(maker)
        assert sessions_in(root) == []


def test_an_interrupted_removal_is_finished_at_the_start(settings: RecorderParameters, root: Path) -> None:
    left = (root / IDS[0]).rename(root / f"{REMOVING}{IDS[0]}")
    with making_room(settings, lambda: False) as (maker, _):
        look(maker)
        assert not left.exists()
    assert len(sessions_in(root)) == 3


def age(root: Path, recording_id: str, days: float) -> None:
    """Makes a session look complete for so long."""
    at = time.time() - days * 86400
    os.utime(SessionLayout(root / recording_id).complete_mark, (at, at))


def test_what_is_older_than_wanted_goes_when_proven_and_only_while_nothing_is_recorded(settings: RecorderParameters, root: Path) -> None:
    send(settings, IDS[0], IDS[2])
    for recording_id in IDS[:2]:
        age(root, recording_id, 8)
    policy = settings.model_copy(update={"keep_days": 7.0})
    with making_room(policy, lambda: False, lambda: False) as (maker, removed):
        look(maker)
    assert removed == []
    with making_room(policy, lambda: False) as (maker, removed):
        look(maker)
    # The second one was never sent, the third one is sent and young.
    assert [session.name for session in sessions_in(root)] == IDS[1:]
    (noted,) = read_removals(ledger_path())
    assert (noted.name, noted.reason, noted.state, noted.bytes) == (IDS[0], AGE, "removed", removed[0].bytes)
    assert "right sizes and checksums" in noted.proof


def test_the_oldest_go_until_so_many_bytes_are_free(settings: RecorderParameters, root: Path) -> None:
    send(settings, *IDS[:2])
    with making_room(settings.model_copy(update={"keep_free": 2**60}), lambda: False) as (maker, _):
        look(maker)
    assert [session.name for session in sessions_in(root)] == IDS[2:]
    assert [removal.reason for removal in read_removals(ledger_path())] == [FREE, FREE]


def test_without_a_note_nothing_goes_but_what_is_in_a_recordings_way(settings: RecorderParameters, root: Path) -> None:
    send(settings, *IDS)
    age(root, IDS[0], 8)
    ledger_path().parent.mkdir(parents=True, exist_ok=True)
    ledger_path().write_bytes(b"no database at all" * 100)
    with making_room(settings.model_copy(update={"keep_days": 7.0}), lambda: False) as (maker, _):
        look(maker)
        assert "move it away" in maker.last_error
    assert len(sessions_in(root)) == len(IDS)
    with making_room(settings, lambda: len(sessions_in(root)) > 3) as (maker, _):
        look(maker)
    assert len(sessions_in(root)) == 3


def test_the_command_shows_what_was_removed_and_why(settings: RecorderParameters, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    send(settings, IDS[0])
    age(root, IDS[0], 8)
    with making_room(settings.model_copy(update={"keep_days": 7.0}), lambda: False) as (maker, _):
        look(maker)
    capsys.readouterr()
    assert main(["sessions", "--removed", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["removed"]
    assert (told["name"], told["reason"]) == (IDS[0], AGE)
    assert main(["sessions", "--removed"]) == 0
    assert "1 sessions removed" in capsys.readouterr().out
