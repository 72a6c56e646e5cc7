"""The lock on a session that is recorded."""

import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rig_capture.session.errors import SessionLocked
from rig_capture.session.layout import SessionLayout
from rig_capture.session.lock import SessionLock, is_locked


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with SessionLock(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(SessionLocked, match="pid"), SessionLock(tmp_path):
            pass
    assert not is_locked(tmp_path)


def test_a_session_never_locked_is_not_locked(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = (
        "import sys, signal; from pathlib import Path; from rig_capture.session.lock import SessionLock\n"
        "with SessionLock(Path(sys.argv[1])): print('held', flush=True); signal.pause()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == "held\n"
        assert is_locked(tmp_path)
        holder.kill()
        holder.wait()
    assert not is_locked(tmp_path)


def test_who_only_looks_keeps_nobody_from_the_lock(tmp_path: Path) -> None:
    with SessionLock(tmp_path):
        pass
    with SessionLayout(tmp_path).lock.open() as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        look = threading.Timer(0.05, fcntl.flock, (looked_at, fcntl.LOCK_UN))
        look.start()
        with SessionLock(tmp_path):
            assert is_locked(tmp_path)
        look.join()
    assert not is_locked(tmp_path)
