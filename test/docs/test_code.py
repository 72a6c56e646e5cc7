"""The Python on the pages does what the pages say: a session is recorded by it, and read, exported and estimated by it."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rig_capture.estimation.predictions import write_predictions
from test.docs.pages import DOCS, ROOT, Block, blocks
from test.estimation.results import make_predictions

pytestmark = pytest.mark.integration

PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
PROFILE = """
cameras:
  camera_front: {width: 160, height: 120}
  camera_side: {width: 160, height: 120, fps: 10}
microphones: {audio_main: {}}
imus: {imu: {}}
discovery: LOCALHOST
network: null
clock: null
uploader: null
status: null
console: null
"""


@dataclass(frozen=True)
class Script:
    """A block that is run."""

    page: str
    number: int
    """Which of the page's blocks of Python, from 0."""
    expected: str
    """In its output."""
    instead: dict[str, str] = field(default_factory=dict)
    """What stands for what this machine does not have."""


SCRIPTS = [
    Script("python.md", 1, "(120, 160, 3)"),
    Script("sessions.md", 0, ""),
    Script("estimation.md", 0, ""),
    Script("estimation.md", 1, ""),
    Script("delivery.md", 0, "100.0%", {"/mnt/ssd/rec_20261120_210311_a1b2": "SESSION", "s3://captures": "STORE"}),
]


def python_of(page: str | Path) -> list[Block]:
    """Its blocks of Python."""
    return [block for block in blocks(DOCS / page) if block.language == "python"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_on_pages_can_be_compiled(page: Path) -> None:
    for block in python_of(page):
        compile(block.text, f"{page}:{block.line}", "exec")


def test_python_on_pages_runs(tmp_path: Path) -> None:
    environment = os.environ | {"RIG_CAPTURE_RUNTIME_DIR": str(tmp_path / "run"), "RIG_CAPTURE_DATA_DIR": str(tmp_path / "data")}
    (tmp_path / "bench.yaml").write_text(PROFILE)

    def run(text: str, folder: Path) -> str:
        done = subprocess.run(
            [sys.executable, "-c", text], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stderr}"
        return done.stdout

    said = run(
        python_of("python.md")[0].text.replace('"bench"', repr(f"{tmp_path}/bench.yaml")).replace("sleep(10)", "sleep(1.5)"), tmp_path
    )
    session = Path(said.split()[-1])
    (tmp_path / "walk.mp4").symlink_to(session / "camera_front" / "00000.mkv")
    write_predictions(tmp_path / "walk.json", make_predictions())
    # One after the other in one process: most of the time goes into imports.
    program = "import os\n"
    for script in SCRIPTS:
        text = python_of(script.page)[script.number].text
        for there, here in script.instead.items():
            assert there in text, f"{script.page}: {there} is not in block {script.number} any more"
            text = text.replace(there, here.replace("SESSION", str(session)).replace("STORE", str(tmp_path / "store")))
        folder = session if script.page == "sessions.md" else tmp_path
        name = f"{script.page}, block {script.number}"
        program += (
            f"print('== {name}')\nos.chdir({str(folder)!r})\nexec(compile({text!r}, {name!r}, 'exec'), {{'path': {str(session)!r}}})\n"
        )
    said = run(program, tmp_path)
    for script in SCRIPTS:
        _, _, of_script = said.partition(f"== {script.page}, block {script.number}\n")
        assert script.expected in of_script.partition("\n== ")[0], script
