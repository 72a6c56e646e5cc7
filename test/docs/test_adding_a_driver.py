"""The driver on the page about adding one: installed as the page says, used by a real node, unplugged and plugged in again."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from sensor_msgs.msg import Imu

from rig_capture.profiles.settings.devices import ImuSettings
from test.docs.pages import DOCS, blocks
from test.integration.nodes import Ear, fresh_namespace, running

pytestmark = pytest.mark.integration


class Cable:
    """A serial line of which we hold the other end, plugged in under a name that stays."""

    def __init__(self, port: Path) -> None:
        self.port = port
        self._ours = self._theirs = -1
        self.plug_in()

    def plug_in(self) -> None:
        """Begins."""
        self._ours, self._theirs = pty.openpty()
        self.port.unlink(missing_ok=True)
        self.port.symlink_to(os.ttyname(self._theirs))

    def say(self, text: str) -> None:
        """Sends."""
        os.write(self._ours, text.encode())

    def pull(self) -> None:
        """The device is gone."""
        os.close(self._theirs)
        os.close(self._ours)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the page's package is installed into."""
    source, target = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("installed")
    for block in blocks(DOCS / "adding-a-driver.md"):
        if block.name:
            (source / block.name).write_text(block.text)
    assert {path.name for path in source.iterdir()} == {"pyproject.toml", "rig_serial_imu.py"}
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True)
    return target


def test_the_driver_on_the_page_works(installed: Path, tmp_path: Path) -> None:
    namespace, cable, ear = fresh_namespace(), Cable(tmp_path / "tty"), Ear()
    heard = ear.hear(Imu, f"{namespace}/imu/data_raw")
    diagnosis = ear.diagnosis(namespace, "imu")
    parameters = {
        "driver": "plugin",
        "plugin": "serial_imu",
        "plugin_settings": f"['port={cable.port}']",
        "retry_min_s": 0.1,
        "retry_max_s": 0.2,
    }
    environment = {"PYTHONPATH": os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])}

    def heard_after(line: str, count: int) -> bool:
        cable.say(line)
        return len(heard) > count

    def says(key: str, value: str) -> bool:
        status = diagnosis()
        return status is not None and {each.key: each.value for each in status.values}.get(key) == value

    with running("imu", namespace, tmp_path, parameters, environment=environment) as node:
        ear.until(lambda: ear.node.count_publishers(f"{namespace}/imu/data_raw") > 0, "the node")
        ear.until(lambda: heard_after("0,0.1,0.2,9.8,0.01,0.02,0.03\n", 0), "a sample")
        vector = heard[0].linear_acceleration
        assert (vector.x, vector.y, vector.z, heard[0].angular_velocity.y) == (0.1, 0.2, 9.8, 0.02)
        cable.pull()
        ear.until(lambda: says("state", "lost"), "the loss")
        cable.plug_in()
        count = len(heard)
        ear.until(lambda: heard_after("7,0,0,9.8,0,0,0\n9,0,0,9.7,0,0,0\n", count + 1), "samples again")
        ear.until(lambda: says("losses", "1") and says("state", "running"), "the return")
        assert node.end()[0] == 0, node.said
    cable.pull()
    ear.close()


def test_a_driver_that_is_not_installed_is_told(tmp_path: Path) -> None:
    namespace, ear = fresh_namespace(), Ear()
    diagnosis = ear.diagnosis(namespace, "imu")
    with running("imu", namespace, tmp_path, {"driver": "plugin", "plugin": "nobody"}) as node:
        ear.until(
            lambda: (status := diagnosis()) is not None and "no installed package has a driver 'nobody'" in status.message, "the reason"
        )
        assert node.process.poll() is None
    ear.close()


def test_a_plugin_must_be_named() -> None:
    with pytest.raises(ValueError, match="needs the driver's name under `plugin`"):
        ImuSettings(driver="plugin")
    with pytest.raises(ValueError, match="KEY=VALUE"):
        ImuSettings(driver="plugin", plugin="x", plugin_settings=("port",))
