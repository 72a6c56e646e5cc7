"""Moving sessions to a disk that travels."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig_capture.cli import main
from rig_capture.delivery.offload import UNFINISHED, offload, sessions_to_move
from rig_capture.delivery.volumes import Volume, VolumeError, choose_volume, find_volumes
from rig_capture.session.lock import SessionLock
from test.delivery.sessions import make_session
from test.parts import wait_until

IDS = [f"rec_20260507_14302{n}_a1b2" for n in range(3)]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a disk is made by mounting a small one, as root: sudo ./rig test")


def device(name: str, *mounts: Path | str, **more: Any) -> dict[str, Any]:
    """A device as lsblk tells it."""
    mountpoints: list[str | None] = [str(mount) for mount in mounts] or [None]
    plain = {"rm": False, "hotplug": False, "tran": None, "ro": False, "size": 2**25, "label": None, "model": None}
    return {"name": name, "mountpoints": mountpoints} | plain | more


@pytest.fixture
def lsblk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the system says of its disks: the answer of a program `lsblk` found first."""
    answer = tmp_path / "lsblk.json"
    program = tmp_path / "bin" / "lsblk"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return answer


@pytest.fixture
def disk(tmp_path: Path, lsblk: Path) -> Iterator[Path]:
    """A mounted disk of 32 MB that travels."""
    mount = tmp_path / "ssd"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(mount)], check=True)
    parts = [device("sdb1", mount, label="RESCUE")]
    lsblk.write_text(json.dumps({"blockdevices": [device("sda", "/"), device("sdb", tran="usb", model="SSD ", children=parts)]}))
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sessions."""
    for recording_id in IDS[:2]:
        make_session(tmp_path / "sessions" / recording_id, recording_id=recording_id, participant="Ada")
    return tmp_path / "sessions"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, the lock's excepted."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "session.lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def volume_of(disk: Path) -> Volume:
    """As found."""
    return choose_volume(find_volumes(), disk)


def test_only_disks_that_travel_are_offered(disk: Path, lsblk: Path, tmp_path: Path) -> None:
    (volume,) = find_volumes()
    assert (volume.mount, volume.label, volume.model, volume.device) == (disk, "RESCUE", "SSD", "sdb1")
    with pytest.raises(VolumeError, match="not on a removable"):
        choose_volume([volume], tmp_path)
    for answer in (
        [device("sdb", disk)],
        [device("sdb", disk, rm=True, ro=True)],
        [device("sdb", tran="usb", children=[device("sdb1", "/"), device("sdb2", disk)])],
        [device("sdb", tran="usb", children=[device("sdb1", "/boot/efi"), device("sdb2", disk)])],
        [],
    ):
        lsblk.write_text(json.dumps({"blockdevices": answer}))
        assert find_volumes() == []


def test_sessions_are_moved_whole(disk: Path, root: Path) -> None:
    before = {session.name: contents(session) for session in sessions_to_move(root)}
    outcomes = offload(sessions_to_move(root), volume_of(disk), keep=False, dry_run=False)
    assert [outcome.status for outcome in outcomes] == ["moved", "moved"]
    assert list(root.iterdir()) == []
    assert {session.name: contents(session) for session in disk.iterdir()} == before


def test_a_dry_run_changes_nothing_and_keep_removes_nothing(disk: Path, root: Path) -> None:
    before = contents(root)
    assert [each.status for each in offload(sessions_to_move(root), volume_of(disk), keep=False, dry_run=True)] == ["planned", "planned"]
    assert list(disk.iterdir()) == []
    for _ in range(2):
        assert [each.status for each in offload(sessions_to_move(root), volume_of(disk), keep=True, dry_run=False)] == ["copied", "copied"]
    assert contents(root) == before == contents(disk)


def test_what_is_recorded_or_damaged_stays(disk: Path, root: Path) -> None:
    (root / IDS[0] / "bag/bag_0.mcap").write_bytes(bytes(10240))
    with SessionLock(make_session(root / IDS[2], recording_id=IDS[2], complete=False)):
        outcomes = offload(sessions_to_move(root), volume_of(disk), keep=False, dry_run=False)
    assert [outcome.status for outcome in outcomes] == ["failed", "moved", "in_progress"]
    assert "bag_0.mcap" in outcomes[0].error
    assert [session.name for session in sessions_to_move(root)] == [IDS[0], IDS[2]]


def test_another_nodes_session_of_the_same_recording_gets_a_name_of_its_own(disk: Path, root: Path) -> None:
    make_session(disk / IDS[0], {"eeg/0.bin": b"x"}, recording_id=IDS[0], host="host b")
    offload(sessions_to_move(root), volume_of(disk), keep=False, dry_run=False)
    assert sorted(path.name for path in disk.iterdir()) == [IDS[0], f"{IDS[0]}_host-a", IDS[1]]


def test_a_full_disk_leaves_the_session_here_and_the_next_run_goes_on(disk: Path, root: Path) -> None:
    filler = disk / "filler"
    filler.write_bytes(bytes(150 * 2**20))
    outcomes = offload(sessions_to_move(root), volume_of(disk), keep=False, dry_run=False)
    assert {outcome.status for outcome in outcomes} == {"failed"}
    assert "no room" in outcomes[0].error
    filler.unlink()
    assert {each.status for each in offload(sessions_to_move(root), volume_of(disk), keep=False, dry_run=False)} == {"moved"}
    assert sorted(path.name for path in disk.iterdir()) == IDS[:2]


def test_a_cable_cut_in_the_middle_leaves_both_sides_sound(disk: Path, root: Path) -> None:
    before = contents(root)
    volume = volume_of(disk)
    moved = 0

    def cut(count: int) -> None:
        nonlocal moved
        moved += count
        if moved > 8000 and volume.number == disk.stat().st_dev:
            subprocess.run(["umount", "-l", str(disk)], check=True)

    outcomes = offload(sessions_to_move(root), volume, keep=False, dry_run=False, on_bytes=cut)
    assert {outcome.status for outcome in outcomes} == {"failed"}
    assert "no longer mounted" in outcomes[1].error
    assert contents(root) == before
    assert list(disk.iterdir()) == []  # nothing went to the disk below


SCRIPT = """
import sys
from pathlib import Path
from rig_capture.delivery.offload import offload, sessions_to_move
from rig_capture.delivery.volumes import choose_volume, find_volumes
root, disk = map(Path, sys.argv[1:])
offload(sessions_to_move(root), choose_volume(find_volumes(), disk), keep=False, dry_run=False, on_bytes=lambda n: print(n, flush=True))
"""


def test_killed_in_the_middle_the_next_run_goes_on(disk: Path, tmp_path: Path) -> None:
    root = tmp_path / "sessions"
    make_session(root / IDS[0], {f"f{number}": os.urandom(5 * 2**20) for number in range(8)}, recording_id=IDS[0])
    before = contents(root)
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(root), str(disk)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(18):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: process.poll() is not None, "the end")
    assert contents(root) == before
    assert [path.name for path in disk.iterdir()] == [UNFINISHED + IDS[0]]
    assert [each.status for each in offload(sessions_to_move(root), volume_of(disk), keep=False, dry_run=False)] == ["moved"]
    assert contents(disk) == before
    assert list(root.iterdir()) == []


def test_the_command_says_what_it_did(disk: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["offload", "--path", str(root)]) == 2
    assert "--to" in capsys.readouterr().err
    assert main(["offload", "--path", str(root), "--to", str(root), "--yes"]) == 2
    assert "removable" in capsys.readouterr().err
    assert main(["offload", "--path", str(root), "--to", str(disk), "--yes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(each["status"], each["target"]) for each in told["sessions"]] == [("moved", str(disk / name)) for name in IDS[:2]]
    assert main(["offload", "--path", str(root), "--to", str(disk), "--yes"]) == 2
    assert "no sessions" in capsys.readouterr().err
