"""The Python API, from a user's own script."""

import os
import subprocess
import sys
from pathlib import Path

from rig_capture.recorder.verify.verify import verify_session

PROFILE = """
rig: script
discovery: LOCALHOST
imus:
  imu: {driver: synthetic, rate_hz: 100}
network: null
clock: null
uploader: null
"""

SCRIPT = """
import sys, threading, rig_capture
settings = {"storage_path": sys.argv[2], "namespace": sys.argv[3]}
try:
    with rig_capture.recording(sys.argv[1], participant="p01", label="api", settings=settings) as session:
        print(session.path, flush=True)
        threading.Event().wait(1.0)
        raise KeyError("the user's own mistake")
except KeyError:
    print("over", flush=True)
"""


def test_a_script_records_without_a_rig_that_is_up(tmp_path: Path, namespace: str) -> None:
    profile = tmp_path / "script.yaml"
    profile.write_text(PROFILE)
    environment = os.environ | {"RIG_CAPTURE_RUNTIME_DIR": str(tmp_path / "run"), "RIG_CAPTURE_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(profile), str(tmp_path / "sessions"), namespace],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    path, over = done.stdout.split()
    assert over == "over"
    verdict = verify_session(Path(path))
    assert verdict.whole, verdict.damages
    assert verdict.messages > 50
    assert not list((tmp_path / "run").glob("*/supervisor.sock")), "the rig was stopped with the script"
