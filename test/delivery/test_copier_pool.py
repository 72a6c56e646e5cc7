"""Small files copied by processes of their own, and ingests of so many that they are used."""

import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rig_capture.delivery.copier import Job
from rig_capture.delivery.copier_pool import CopierPool
from rig_capture.delivery.errors import ContentMismatch
from rig_capture.delivery.folder_store import INCOMING
from rig_capture.delivery.ingest import DataInterface
from rig_capture.delivery.progress import UploadProgress
from rig_capture.profiles.settings.rig import DeliverySettings
from rig_capture.session.layout import SessionLayout
from test.delivery.sessions import make_session
from test.parts import wait_until

MANY = {f"f{number:03d}": os.urandom(number) for number in range(600)}


@pytest.fixture
def copiers() -> Iterator[CopierPool]:
    opened = CopierPool()
    yield opened
    opened.close()


def children() -> list[psutil.Process]:
    """Copying processes of this one."""
    return [child for child in psutil.Process().children() if any(part.endswith("copier.py") for part in child.cmdline())]


def job(folder: Path, name: str, data: bytes) -> Job:
    """To copy a new file of these bytes to a folder that is not there yet."""
    (folder / name).write_bytes(data)
    return str(folder / name), len(data), hashlib.sha256(data).hexdigest(), str(folder / f"{name}.new"), str(folder / "copies" / name)


def test_what_is_copied_has_the_same_bytes_and_a_tag(copiers: CopierPool, tmp_path: Path) -> None:
    jobs = [job(tmp_path, f"ü {size}\n", os.urandom(size)) for size in (0, 1, 4096, 2**20)]
    tags = copiers.copy(jobs)
    assert all(tags)
    for source, *_, target in jobs:
        assert Path(target).read_bytes() == Path(source).read_bytes()
    assert len(children()) == 1
    copiers.close()
    assert children() == []


def test_what_is_not_as_expected_is_not_copied_and_leaves_nothing(copiers: CopierPool, tmp_path: Path) -> None:
    good, changed, longer, gone, pipe = (job(tmp_path, name, b"content") for name in ("good", "changed", "longer", "gone", "pipe"))
    Path(changed[0]).write_bytes(b"CONTENT")
    Path(longer[0]).write_bytes(b"content and more")
    Path(gone[0]).unlink()
    Path(pipe[0]).unlink()
    os.mkfifo(pipe[0])
    in_the_way = job(tmp_path, "in the way", b"content")
    Path(in_the_way[4]).mkdir(parents=True)
    assert [bool(tag) for tag in copiers.copy([changed, longer, gone, pipe, in_the_way, good])] == [False] * 5 + [True]
    assert {path.name for path in (tmp_path / "copies").iterdir()} == {"good", "in the way"}
    assert list(tmp_path.glob("*.new")) == []


def test_after_a_process_is_killed_no_other_is_asked_until_they_are_closed(copiers: CopierPool, tmp_path: Path) -> None:
    assert all(copiers.copy([job(tmp_path, "first", b"1")]))
    [child] = children()
    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: child.status() == psutil.STATUS_ZOMBIE, "its end")
    assert copiers.copy([job(tmp_path, "second", b"2")]) == [""]
    assert not copiers.usable
    copiers.close()
    assert copiers.usable
    assert all(copiers.copy([job(tmp_path, "third", b"3")]))


def test_where_no_process_can_be_started_a_session_arrives_all_the_same(
    folder_settings: DeliverySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = make_session(tmp_path / "s", MANY)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with DataInterface.open(folder_settings) as data:
        result = data.ingest(manifest_path=session / "manifest.json", source_dir=session)
    assert result.files_uploaded == len(MANY)
    assert 1 <= caplog.text.count("no process can be started") <= len(os.sched_getaffinity(0))


def test_a_session_of_many_small_files_arrives_whole(folder_settings: DeliverySettings, tmp_path: Path) -> None:
    session = make_session(tmp_path / "s", MANY)
    told: list[UploadProgress] = []
    copying: set[int] = set()

    def watch(event: UploadProgress) -> None:
        told.append(event)
        copying.update(child.pid for child in children())

    with DataInterface.open(folder_settings) as data:
        result = data.ingest(manifest_path=session / "manifest.json", source_dir=session, progress=watch)
        assert (result.files_uploaded, result.bytes_uploaded) == (len(MANY), sum(map(len, MANY.values())))
        assert copying
        assert children() == []
        stored = {object_.key.rpartition("/")[2]: data.store.get(object_.key) for object_ in data.store.list("recordings/")}
        again = data.ingest(manifest_path=session / "manifest.json", source_dir=session)
        assert (again.files_uploaded, again.files_skipped) == (0, len(MANY))
    assert {name: content for name, content in stored.items() if name in MANY} == MANY
    assert (told[-1].files_done, told[-1].bytes_processed) == (len(MANY), told[-1].bytes_total)


def test_one_bad_file_of_many_is_named_and_mending_it_is_enough(folder_settings: DeliverySettings, tmp_path: Path) -> None:
    session = make_session(tmp_path / "s", MANY)
    bad = SessionLayout(session).resolve("f500")
    good = bad.read_bytes()
    bad.write_bytes(bytes(len(good)))
    with DataInterface.open(folder_settings) as data:
        with pytest.raises(ContentMismatch, match="f500"):
            data.ingest(manifest_path=session / "manifest.json", source_dir=session)
        bad.write_bytes(good)
        result = data.ingest(manifest_path=session / "manifest.json", source_dir=session)
        assert 1 <= result.files_uploaded < len(MANY)
        assert result.files_uploaded + result.files_skipped == len(MANY)
    assert list((Path(folder_settings.store) / INCOMING).iterdir()) == []
