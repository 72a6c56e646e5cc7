"""`rig estimate watch`, with the built-in model over real videos."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from rig_capture.cli import main
from rig_capture.estimation.jobs.status import read_results, read_status
from rig_capture.estimation.predictions import read_predictions
from rig_capture.profiles.places import estimate_jobs_dir
from test.parts import wait_until


def make_video(path: Path, frames: int = 8) -> None:
    """A square that wanders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 64, 48
        for index in range(frames):
            pixels = np.zeros((48, 64, 3), np.uint8)
            pixels[10:30, 3 * index : 3 * index + 20] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def test_jobs_that_lie_there_are_done_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_video(tmp_path / "in/visit/walk.mp4")
    (tmp_path / "in/broken").mkdir()
    (tmp_path / "in/broken/walk.mp4").write_bytes(b"no video")
    assert main(["estimate", "watch", "--data", str(tmp_path), "--once", "--jobs", "settle_s=0", "--set", "smallest=0.01", "--json"]) == 1
    told = {line["job"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert (told["visit"]["state"], told["broken"]["state"]) == ("completed", "failed")
    assert told["broken"]["error"].startswith("VideoError: ")
    (result,) = read_results(tmp_path / "out/visit/results.json").videos
    assert (result.model.name, result.model.settings["smallest"], result.video.frames) == ("motion", 0.01, 8)
    assert read_predictions(tmp_path / "out/visit" / result.predictions[0]).video == result.video


def test_wrong_calls_are_named_and_nothing_is_made(capsys: pytest.CaptureFixture[str], isolated_home: Path) -> None:
    assert main(["estimate", "watch", "--jobs", "settle=1"]) == 2
    assert "settle_s" in capsys.readouterr().err
    assert main(["estimate", "watch", "--model", "nothing"]) == 1
    assert "there is no model 'nothing'" in capsys.readouterr().err
    assert not estimate_jobs_dir().exists()


def test_it_watches_the_users_own_folder_until_it_is_asked_to_stop() -> None:
    folder = estimate_jobs_dir()
    command = [sys.executable, "-m", "rig_capture.cli", "estimate", "watch", "--jobs", "settle_s=0", "--jobs", "poll_s=0.05"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as daemon:
        try:
            wait_until((folder / "in").is_dir, "its folder")
            make_video(folder / "walk.mp4")
            (folder / "visit").mkdir()
            (folder / "walk.mp4").rename(folder / "visit/walk.mp4")
            (folder / "visit").rename(folder / "in/visit")
            wait_until((folder / "out/visit/results.json").exists, "the results")
            daemon.send_signal(signal.SIGTERM)
            out, err = daemon.communicate(timeout=20)
        finally:
            daemon.kill()
    assert daemon.returncode == 0, err
    assert out == "visit: completed: 1 videos, out/visit/results.json\n"
    assert err == f"waiting for jobs in {folder / 'in'}\n"
    assert read_status(folder / "out/status.json").jobs["visit"].frames_done == 8
