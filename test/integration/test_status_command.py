"""`rig status` of a rig that `rig up` did not start, as under ros2 launch: found by its file, or by its topic."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rig_capture_msgs.msg import RigStatus

from rig_capture.nodes.common.qos import state_qos
from test.integration.nodes import Ear, running

pytestmark = pytest.mark.integration


def rig_status(home: Path, runtime: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    folders = {"RIG_CAPTURE_CONFIG_DIR": str(home), "RIG_CAPTURE_DATA_DIR": str(home), "RIG_CAPTURE_RUNTIME_DIR": str(runtime)}
    command = [sys.executable, "-m", "rig_capture.cli", "status", *arguments]
    return subprocess.run(command, env=os.environ | folders, capture_output=True, text=True, timeout=60, check=False)


def test_a_launched_rig_is_found_by_its_file_and_by_its_topic(ear: Ear, namespace: str, tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    parameters = {"nodes": json.dumps([f"{namespace}/battery"]), "battery": "battery", "rig": "walker", "stale_s": 2.0}
    statuses = ear.hear(RigStatus, f"{namespace}/rig/status", state_qos())
    environment = {"RIG_CAPTURE_RUNTIME_DIR": str(here)}
    with running("status", namespace, tmp_path, parameters, environment=environment):
        with running("battery", namespace, tmp_path) as battery:
            ear.until(lambda: bool(statuses) and statuses[-1].has_battery and statuses[-1].healthy, "a rig that is well")
            by_file = rig_status(tmp_path, here, "--json")
            page = rig_status(tmp_path, here)
            by_topic = rig_status(tmp_path, elsewhere, "--namespace", namespace, "--json")
        ear.until(lambda: not statuses[-1].healthy, "the battery that is gone")
        unwell = rig_status(tmp_path, here)
    for seen in (by_file, by_topic):
        assert seen.returncode == 0, seen.stdout + seen.stderr
        told = json.loads(seen.stdout)
        assert (told["running"], told["well"], told["namespace"], told["machine"]["rig"]) == (True, True, namespace, "walker")
        assert set(told["nodes"]) == {f"{namespace}/battery", f"{namespace}/status"}
    assert page.returncode == 0
    for word in ("running and well", "machine:", "battery:", str(battery.process.pid), "disk", "memory"):
        assert word in page.stdout, page.stdout
    assert (unwell.returncode, f"{namespace}/battery" in unwell.stdout) == (1, True)


def test_a_file_that_a_killed_rig_left_is_no_rig(ear: Ear, namespace: str, tmp_path: Path) -> None:
    here = tmp_path / "run"
    with running("status", namespace, tmp_path, environment={"RIG_CAPTURE_RUNTIME_DIR": str(here)}) as node:
        ear.until(lambda: bool(list(here.glob("*/status.json"))), "the file")
        node.kill()
    file = next(here.glob("*/status.json"))
    file.write_text(json.dumps(json.loads(file.read_text()) | {"stamp": "2026-01-01T00:00:00Z"}))
    seen = rig_status(tmp_path, here, "--namespace", namespace)
    assert (seen.returncode, "no rig is running" in seen.stdout) == (3, True)
