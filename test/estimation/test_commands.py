"""`rig estimate`, as an operator calls it."""

import json
from pathlib import Path
from typing import Any

import pytest

from rig_capture.cli import main
from rig_capture.cli.exits import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from rig_capture.estimation.predictions import read_predictions
from rig_capture.session.additions import read_additions
from test.estimation.videos import Record, walk, write_video
from test.recorder.messages import video


@pytest.fixture
def walking(tmp_path: Path) -> Path:
    return write_video(tmp_path / "walk.mkv", walk(60))


def run_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == EXIT_OK
    return json.loads(capsys.readouterr().out)


def test_a_video_is_estimated_summed_up_and_kept_where_told(walking: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run_json(capsys, "estimate", walking)
    (row,) = told["videos"]
    assert (row["frames"], row["most_persons"], row["tracks"], row["files"]) == (60, 1, 1, [])
    assert told["model"]["name"] == "motion"
    for out in (tmp_path / "a.json", tmp_path / "a.parquet"):
        assert main(["estimate", str(walking), "--out", str(out), "--set", "width=160"]) == EXIT_OK
        assert str(out) in capsys.readouterr().out.replace("\n", "")
        found = read_predictions(out)
        assert found.video.frames == 60
        assert found.model.settings["width"] == 160
    assert main(["estimate", str(walking)]) == EXIT_OK
    assert "nothing was written; --out FILE keeps the estimates" in capsys.readouterr().out


def test_estimates_of_a_session_are_put_into_it(record: Record, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    session = record({"front": list(video("h264", 20)), "back": list(video("h264", 20))})
    told = run_json(capsys, "estimate", session)
    assert [row["stream"] for row in told["videos"]] == ["back", "front"]
    names = {addition.path for addition in read_additions(session, "estimates").files}
    assert {"back.motion.json", "front.motion.json"} <= names
    assert {Path(file).name for row in told["videos"] for file in row["files"]} == names
    assert main(["verify", str(session)]) == EXIT_OK
    # One stream elsewhere; and from its estimates in the session back to its pictures.
    told = run_json(capsys, "estimate", session, "--stream", "front", "--out", tmp_path / "front.json")
    assert told["videos"][0]["files"] == [str(tmp_path / "front.json")]
    assert main(["estimate", "render", str(session / "estimates" / "front.motion.json"), "--out", str(tmp_path / "front.png")]) == EXIT_OK
    assert (tmp_path / "front.png").stat().st_size > 1000


def test_a_chunk_alone_leaves_its_session_as_it_is(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    session = record({"front": list(video("h264", 20))})
    told = run_json(capsys, "estimate", session / "front" / "00000.mkv")
    assert told["videos"][0]["recording_id"] == session.name
    assert told["videos"][0]["files"] == []
    assert not (session / "estimates").exists()


def test_a_session_that_is_not_finished_is_estimated_elsewhere_only(
    record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = record({"front": list(video("h264", 20))})
    (session / ".rig_complete").unlink()
    assert main(["estimate", str(session)]) == EXIT_FAILED
    assert "is not finished" in capsys.readouterr().err
    assert run_json(capsys, "estimate", session, "--out", tmp_path)["videos"][0]["files"] == [str(tmp_path / "front.motion.json")]


def test_a_model_is_measured_on_a_video(walking: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run_json(capsys, "estimate", "bench", walking, "--frames", 30)
    assert told["frames"] == 30
    assert told["video_s"] == pytest.approx(30 / 25)
    assert told["frames_per_s"] * told["wall_s"] == pytest.approx(30)
    assert told["realtime"] == pytest.approx(told["video_s"] / told["wall_s"])
    assert 0 < told["decode_share"] < 1
    assert told["peak_memory_bytes"] > 50e6
    assert main(["estimate", "bench", str(walking)]) == EXIT_OK
    assert "x real time" in capsys.readouterr().out


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    told = run_json(capsys, "estimate", "models")
    usable = {model["name"]: model["usable"] for model in told["models"]}
    assert usable["motion"] is True
    assert {"onnx", "mediapipe", "metrabs"} <= {name.partition(":")[0] for name in usable}
    assert main(["estimate", "models"]) == EXIT_OK
    assert "model folder: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.mp4"], EXIT_FAILED, "there is no such file or folder"),
        (["VIDEO", "--model", "dance"], EXIT_FAILED, "there is no model 'dance'"),
        (["VIDEO", "--model", "onnx:dance"], EXIT_FAILED, "holds none of this kind"),
        (["VIDEO", "--stream", "front"], EXIT_FAILED, "has no video stream front"),
        (["VIDEO", "--set", "frob=1"], EXIT_FAILED, "motion: frob"),
        (["VIDEO", "--out", "a.csv"], EXIT_USAGE, "ends with .json, .parquet"),
        (["VIDEO", "--out", "/nowhere/a.json"], EXIT_USAGE, "no such folder"),
        (["--frob"], EXIT_USAGE, "--frob"),
        (["render", "nowhere.json", "--out", "a.gif"], EXIT_USAGE, "ends with .mp4"),
        (["render", "nowhere.json", "--out", "a.mp4"], EXIT_FAILED, "nowhere.json"),
        (["bench", "nowhere.mp4"], EXIT_FAILED, "there is no such file or folder"),
    ],
)
def test_wrong_calls_are_told(
    walking: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(walking.parent)
    monkeypatch.setenv("RIG_CAPTURE_DATA_DIR", str(walking.parent))
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["estimate", *(str(walking) if each == "VIDEO" else each for each in arguments)]) == code
    assert message in capsys.readouterr().err


def test_a_file_that_is_called_like_a_command_is_reached_by_its_path(
    walking: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(walking.parent)
    walking.rename("bench")
    assert run_json(capsys, "estimate", "./bench")["videos"][0]["frames"] == 60
    assert run_json(capsys, "estimate", "video", "bench")["videos"][0]["frames"] == 60
