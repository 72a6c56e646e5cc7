"""The command `rig analyze`."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from rig_capture.cli import main
from rig_capture.estimation.predictions import write_predictions
from test.estimation.analysis.movements import NAMES, START_NS, Floats, arm, curls, predictions


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three curls as a.json, four slower ones of a larger person elsewhere as b.parquet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    quick = shaky(arm(curls(3, 1.0)), 1)
    quick[20:23, 5] = np.nan
    write_predictions(Path("a.json"), predictions(quick))
    write_predictions(Path("b.parquet"), predictions(shaky(arm(curls(3, 1.4)), 2) * 1.5 + 400))
    return tmp_path


def shaky(poses: Floats, seed: int) -> Floats:
    jitter: Floats = poses + np.random.default_rng(seed).normal(size=poses.shape) * 2
    return jitter


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["analyze", *arguments, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("folder")
def test_two_movements_are_matched(capsys: pytest.CaptureFixture[str]) -> None:
    plain = answer(capsys, "dtw", "a.json", "b.parquet")
    same = answer(capsys, "dtw", "a.json", "b.parquet", "--scale", "--per-joint", "--out", "path.csv", "--plot", "dtw.png")
    assert plain["unit"] == "mm"
    assert plain["rms"] > 50
    assert same["unit"] == "body sizes"
    assert same["rms"] < 0.05
    assert list(same["joints"]) == list(NAMES)
    assert "a.json: 3 of 906 joint positions interpolated over gaps up to 0.2 s, 0 still missing" in same["notes"]
    path = rows_of("path.csv")
    assert len(path) == same["matches"]
    assert path[0]["stamp_a_ns"] == str(START_NS)
    assert Path("dtw.png").read_bytes().startswith(b"\x89PNG")
    pair = answer(capsys, "dtw", "a.json", "b.parquet", "--pair", "shoulder-wrist", "--by", "vector", "--window", "0.5", "--max-gap", "0")
    assert pair["window_frames"] == 25
    assert pair["left_out"] == [3, 0]
    assert main(["analyze", "dtw", "a.json", "a.json"]) == 0
    assert "whole poses" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_movements_at_other_rates_are_brought_to_one(capsys: pytest.CaptureFixture[str]) -> None:
    write_predictions(Path("slow.json"), predictions(arm(curls(3, 1.0, rate_hz=25)), rate_hz=25))
    found = answer(capsys, "dtw", "a.json", "slow.json")
    assert found["frames"] == [151, 151]
    assert found["rms"] < 10
    assert any("slow.json: resampled from 76 to 151 frames" in note for note in found["notes"])


@pytest.mark.usefixtures("folder")
def test_angles_and_features_are_tables(capsys: pytest.CaptureFixture[str]) -> None:
    angles = answer(capsys, "angles", "a.json", "--joint", "elbow", "--out", "angles.parquet", "--plot", "angles.svg")
    assert list(angles["angles"]) == ["elbow(shoulder,wrist)"]
    assert angles["angles"]["elbow(shoulder,wrist)"]["range"] == pytest.approx(130, abs=5)
    table = pyarrow.parquet.read_table("angles.parquet")
    assert table.column_names == ["stamp_ns", "elbow(shoulder,wrist)"]
    assert table.num_rows == 151
    assert "<svg" in Path("angles.svg").read_text()
    features = answer(capsys, "features", "a.json", "--low-pass", "6", "--from", "1", "--to", "2", "--out", "f.csv", "--plot", "f.png")
    assert features["frames"] == 50
    assert features["joints"]["wrist"]["path_length"] > 10 * features["joints"]["neck"]["path_length"]
    assert [row["joint"] for row in rows_of("f.csv")] == list(NAMES)
    assert main(["analyze", "features", "a.json"]) == 0
    assert "joint positions interpolated" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_repetitions_found_in_one_movement_can_be_told_by_a_model_trained_on_others(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "segments", "a.json", "-s", "elbow", "--turn", "low", "--out", "cuts.csv", "--plot", "cuts.png")
    assert [round(each["duration_s"], 1) for each in found["repetitions"]] == [1, 1, 1]
    assert found["period_s"] == pytest.approx(1, abs=0.03)
    table = ["path,label,group"]
    for number in range(8):
        for label, least in (("full", 40 + number), ("half", 110 - number)):
            name = f"{label}{number}.json"
            write_predictions(Path(name), predictions(shaky(arm(curls(1, 1.0, least=least)), number)))
            table.append(f"{name},{label},p{number // 2}")
    Path("labels.csv").write_text("\n".join(table))
    joints = [part for name in ("neck", "shoulder", "elbow", "wrist") for part in ("--joint", name)]
    trained = answer(capsys, "classify", "train", "labels.csv", "--model", "m.json", "--plot", "m.png", *joints)
    assert trained["cross_validation"]["grouped"]
    assert trained["cross_validation"]["accuracy"] > 0.9
    told = answer(capsys, "classify", "predict", "cuts.csv", "half3.json", "--model", "m.json", "--out", "told.csv", *joints)
    assert [each["label"] for each in told["predictions"]] == ["full", "full", "full", "half"]
    assert set(rows_of("told.csv")[0]) == {"path", "label", "p_full", "p_half"}
    assert main(["analyze", "classify", "predict", "a.json", "-m", "m.json", "--joint", "neck", "--joint", "shoulder"]) == 1
    assert "the model was trained on other features" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_a_session_stands_for_its_one_estimate_with_poses(capsys: pytest.CaptureFixture[str]) -> None:
    session = Path("rec")
    (session / "estimates").mkdir(parents=True)
    (session / "estimates/manifest.json").write_text('{"schema_version": 1, "files": []}')
    assert main(["analyze", "angles", "rec"]) == 1
    assert "estimate it first: rig estimate rec" in capsys.readouterr().err
    movement = predictions(arm(curls(1, 1.0)))
    flat = movement.model_copy(update={"skeleton": None, "poses3d": None})
    write_predictions(session / "estimates/cam.motion.json", flat)
    assert main(["analyze", "angles", "rec"]) == 1
    assert "none has poses" in capsys.readouterr().err
    write_predictions(session / "estimates/cam.poser.json", movement)
    assert answer(capsys, "angles", "rec")["frames"] == 51
    write_predictions(session / "estimates/other.poser.json", movement)
    assert main(["analyze", "angles", "rec"]) == 1
    assert "several have poses" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["angles", "none.json"], 1, "can't be read"),
        (["angles", "a.json", "--joint", "elbwo"], 2, "did you mean elbow"),
        (["angles", "a.json", "--space", "2d"], 1, "gave no 2d poses"),
        (["angles", "a.json", "--out", "a.xlsx"], 1, "tables are .csv or .parquet"),
        (["angles", "a.json", "--plot", "a.gif"], 1, "plots are .png, .svg, .pdf"),
        (["angles", "a.json", "--from", "9"], 1, "no frame lies between"),
        (["segments", "a.json", "-s", "knee"], 2, "the signal 'knee'"),
        (["dtw", "a.json", "short.json"], 1, "2 joints in common"),
        (["classify", "train", "bad.csv", "-m", "m.json"], 1, "line 2 lacks label; its columns are path,label"),
        (["classify", "train", "b.parquet", "-m", "m.json"], 1, "can't be read"),
        (["classify", "predict", "a.json", "-m", "a.json"], 1, "not a model"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_cant_be_is_told_in_a_line(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, reason: str) -> None:
    whole = predictions(arm(curls(1, 1.0)))
    names = {"skeleton": {"names": ("neck", "wrist", "tail", "ear", "eye", "nose"), "edges": ()}}
    Path("bad.csv").write_text("path\na.json\n")
    write_predictions(Path("short.json"), type(whole)(**(dict(whole) | names)))
    assert main(["analyze", *arguments]) == code
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


@pytest.mark.usefixtures("folder")
def test_without_the_extra_its_name_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("dtaidistance.dtw_ndim", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    assert main(["analyze", "dtw", "a.json", "b.parquet"]) == 1
    assert "run: ./rig extra analysis" in capsys.readouterr().err
    assert main(["analyze", "angles", "a.json", "--plot", "a.png"]) == 1
    assert "run: ./rig extra analysis" in capsys.readouterr().err
    assert main(["analyze", "angles", "a.json"]) == 0
