"""Sessions are removed whole, whatever interrupts it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rig_capture.session.layout import sessions_in
from rig_capture.session.removal import REMOVING, finish_removals, remove_session
from test.delivery.sessions import make_session

KILLS = int(os.environ.get("RIG_CAPTURE_KILLS", "4"))
"""How many removals are killed; read here, since tests see no variables of ours."""


def test_a_session_is_removed(tmp_path: Path) -> None:
    session = make_session(tmp_path / "rec_20260507_143022_a1b2")
    other = make_session(tmp_path / "rec_20260507_143022_ffff")
    remove_session(session)
    assert sessions_in(tmp_path) == [other]
    assert list(tmp_path.iterdir()) == [other]


def test_what_an_interrupted_removal_left_is_no_session_and_is_finished(tmp_path: Path) -> None:
    left = make_session(tmp_path / f"{REMOVING}rec_20260507_143022_a1b2")
    assert sessions_in(tmp_path) == []
    assert finish_removals(tmp_path) == ["rec_20260507_143022_a1b2"]
    assert not left.exists()
    assert finish_removals(tmp_path) == []
    assert finish_removals(tmp_path / "nowhere") == []


def files_left(folder: Path) -> int:
    """How many files are in a folder that somebody else may be removing."""
    try:
        return len(os.listdir(folder))
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("part", [n % 4 for n in range(KILLS)])
def test_killed_in_the_middle_it_leaves_all_or_what_is_finished_later(tmp_path: Path, part: int) -> None:
    files = {f"camera_front/{index:05d}.mkv": b"x" for index in range(800)}
    session = make_session(tmp_path / "rec_20260507_143022_a1b2", files)
    program = (
        "import sys; from pathlib import Path; from rig_capture.session.removal import remove_session;"
        "print('go', flush=True); remove_session(Path(sys.argv[1]))"
    )
    remover = subprocess.Popen([sys.executable, "-c", program, str(session)], stdout=subprocess.PIPE)
    assert remover.stdout is not None
    remover.stdout.readline()
    # Killed after so many of its files are gone, so that no time is guessed.
    doomed = tmp_path / f"{REMOVING}{session.name}" / "camera_front"
    while remover.poll() is None and (session.exists() or files_left(doomed) > 800 - 200 * part):
        continue
    remover.send_signal(signal.SIGKILL)
    remover.wait()
    remover.stdout.close()
    if session.exists():
        assert sum(1 for _ in session.rglob("*.mkv")) == 800
    else:
        assert sessions_in(tmp_path) == []
        finish_removals(tmp_path)
        assert list(tmp_path.iterdir()) == []
