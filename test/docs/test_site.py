"""The site can be built without a warning, and holds all there is to refer to."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rig_capture.cli import _COMMANDS
from rig_capture.health.catalogue import CODES
from rig_capture.health.events import Severity
from rig_capture.profiles.profile import Profile
from rig_capture.profiles.settings.devices import CameraSettings
from test.docs.pages import DOCS, ROOT

PROGRAM = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "--nitpicky", "--jobs", "2"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built."""
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run([*PROGRAM, str(DOCS), str(out)], capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_every_setting_command_and_interface_is_on_it(site: Path) -> None:
    settings = (site / "reference/settings.html").read_text()
    for name in (*Profile.model_fields, *(f"cameras.NAME.{key}" for key in CameraSettings.model_fields)):
        assert f'id="confval-{name}"' in settings or f'id="{name.replace("_", "-")}"' in settings, name
    assert "RIG_CAPTURE_CAMERAS__NAME__FPS" in settings
    commands = (site / "reference/commands.html").read_text()
    for name in _COMMANDS:
        assert f'id="rig-{name}"' in commands, name
    interfaces = (site / "reference/interfaces.html").read_text()
    for path in [*ROOT.glob("msg/msg/*.msg"), *ROOT.glob("msg/srv/*.srv"), *ROOT.glob("msg/action/*.action")]:
        assert f'id="{path.stem.lower()}"' in interfaces, path.stem
    assert "start_recording" in interfaces


def test_a_link_that_leads_nowhere_fails(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("# Page\n\n[somewhere](nowhere.md), [a heading](#that-is-not-there)\n")
    options = ["-C", "-D", "extensions=myst_parser", "-D", "myst_heading_anchors=3"]
    done = subprocess.run(
        [*PROGRAM, *options, str(tmp_path), str(tmp_path / "out")], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode != 0
    assert "nowhere.md" in done.stderr
    assert "that-is-not-there" in done.stderr


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)[)#]", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target


def test_the_page_on_health_has_all_codes() -> None:
    rows = re.findall(r"^\| (\w+) \| `(\w+)` \| (\w+) \|", (DOCS / "health.md").read_text(), re.MULTILINE)
    assert {name: (family, severity) for family, name, severity in rows} == {
        code.name: (code.family.value, Severity(code.severity).name.lower()) for code in CODES.values()
    }
