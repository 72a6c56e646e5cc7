"""A folder as object store."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rig_capture.delivery import folder_store
from rig_capture.delivery.errors import ObjectStoreError
from rig_capture.delivery.folder_store import INCOMING, FolderStore
from test.delivery.test_store import payload_of, transfer
from test.parts import wait_until


def test_leftovers_of_a_killed_process_go_and_those_of_a_live_one_stay(tmp_path: Path) -> None:
    incoming = tmp_path / "store" / INCOMING
    incoming.mkdir(parents=True)
    for name in ("dead", "alive"):
        (incoming / name).mkdir()
        (incoming / name / "0").write_bytes(b"x")
    alive = os.open(incoming / "alive", os.O_RDONLY)
    try:
        fcntl.flock(alive, fcntl.LOCK_EX)
        store = FolderStore(tmp_path / "store")
        store.put(payload_of(tmp_path / "f", b"x"), "a/f", transfer())
        store.close()
        assert [path.name for path in incoming.iterdir()] == ["alive"]
    finally:
        os.close(alive)


def test_a_put_killed_in_the_middle_leaves_no_object(tmp_path: Path) -> None:
    payload_of(tmp_path / "f", os.urandom(4 * 2**20))
    script = """
import sys, time
from pathlib import Path
from rig_capture.delivery.folder_store import FolderStore
from rig_capture.delivery.transfer import Brake, Throttle, Transfer
from test.delivery.test_store import payload_of
path = Path(sys.argv[1]) / "f"
FolderStore(path.parent / "store").put(payload_of(path, path.read_bytes()), "a/f", Transfer(Throttle(2**20), Brake(lambda: False), print))
"""
    with subprocess.Popen([sys.executable, "-u", "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    store = FolderStore(tmp_path / "store")
    assert list(store.list("a/")) == []
    assert len(list((tmp_path / "store" / INCOMING).iterdir())) == 1
    store.put(payload_of(tmp_path / "g", b"x"), "a/g", transfer())
    store.flush()
    assert list((tmp_path / "store" / INCOMING).iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk is made by mounting a small one, as root: sudo ./rig test")
def test_a_full_disk_is_an_error_with_the_key_and_leaves_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        store = FolderStore(disk)
        with pytest.raises(ObjectStoreError, match="No space left") as caught:
            store.put(payload_of(tmp_path / "f", bytes(2 * 2**20)), "a/f", transfer())
        assert caught.value.key == "a/f"
        store.put(payload_of(tmp_path / "g", bytes(2**19)), "a/g", transfer())
        assert [stored.key for stored in store.list("a/")] == ["a/g"]
        store.close()
    finally:
        wait_until(lambda: subprocess.run(["umount", str(disk)], check=False).returncode == 0, "umount")


def test_what_the_disk_could_not_take_meanwhile_is_told_at_the_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The system tells of it once only: the first time that a file system is brought to the disk, not the next.
    sync, failures = folder_store._sync_file_system, iter([OSError(errno.EIO, "Input/output error")])

    def failing_once(folder: Path) -> None:
        for failure in failures:
            raise failure
        sync(folder)

    monkeypatch.setattr(folder_store, "_sync_file_system", failing_once)
    monkeypatch.setattr(folder_store, "_SETTLE_S", 0.0)
    store = FolderStore(tmp_path / "store")
    for name in ("f", "g", "h"):
        store.put(payload_of(tmp_path / name, b"x"), f"a/{name}", transfer())
    with pytest.raises(ObjectStoreError, match="can't be made durable: Input/output error"):
        store.flush()
    store.flush()
    store.close()
