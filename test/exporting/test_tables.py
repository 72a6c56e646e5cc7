"""Topics become tables, with all their numbers and with nothing where there is nothing."""

import csv
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from rig_capture.exporting.errors import Interrupted
from rig_capture.exporting.export import export_session
from rig_capture.exporting.lerobot.dataset import export_dataset
from rig_capture.exporting.wish import Format, Wish
from rig_capture.recorder.streams import StreamSpec
from test.exporting.parts import JOINTS, Record, at, call, joints, record
from test.playback.sessions import CAMERA, STATE, TOPIC
from test.recorder.messages import imu, make, video

__all__ = ["record"]

COUNT = StreamSpec("topic", "count", "std_msgs/msg/UInt64")
FLAG = StreamSpec("topic", "flag", "std_msgs/msg/Bool")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_topic_is_a_table_with_all_its_numbers_and_texts(record: Record, tmp_path: Path) -> None:
    numbers = [make(COUNT.type, data=value) for value in (1, 2**64 - 1)]
    given = {
        TOPIC: [imu(at(index * 5)) for index in range(40)],
        JOINTS: [joints(at(0), [1.5]), joints(at(5), [0.1, 2.0, float("nan")])],
        STATE: [make("std_msgs/msg/String", data='a "b", c')],
        COUNT: numbers,
        FLAG: [make(FLAG.type, data=True)],
    }
    path = record(given)
    for form in ("csv", "parquet"):
        code, told, errors = call(path, "--format", form, "--out", tmp_path / form)
        assert (code, errors) == (0, "")
        assert {each["file"]: each["rows"] for each in told["sessions"][0]["files"]} == {
            f"imu.data_raw.{form}": 40,
            f"joints.{form}": 2,
            f"state.{form}": 1,
            f"count.{form}": 2,
            f"flag.{form}": 1,
        }
    made = tmp_path / "csv" / path.name
    motion = rows(made / "imu.data_raw.csv")
    assert [int(row["stamp_ns"]) for row in motion] == [at(index * 5) for index in range(40)]
    assert (motion[3]["linear_acceleration.z"], motion[3]["orientation_covariance[8]"]) == ("9.81", "0.0")
    assert [tuple(row[f"position[{index}]"] for index in range(3)) for row in rows(made / "joints.csv")] == [
        ("1.5", "", ""),
        ("0.1", "2.0", "nan"),
    ]
    assert rows(made / "state.csv")[0]["data"] == 'a "b", c'
    assert [row["data"] for row in rows(made / "count.csv")] == ["1", str(2**64 - 1)]
    assert rows(made / "flag.csv")[0]["data"] == "1"
    made = tmp_path / "parquet" / path.name
    table = parquet.read_table(made / "joints.parquet")
    assert table.column("position[1]").to_pylist() == [None, 2.0]
    assert table.schema.field("stamp_ns").type == "int64"
    assert parquet.read_table(made / "count.parquet").column("data").to_pylist() == [1, 2**64 - 1]
    assert parquet.read_table(made / "imu.data_raw.parquet").column("linear_acceleration.z").to_pylist() == [9.81] * 40


@pytest.mark.parametrize("method", ["nearest", "linear"])
def test_topics_meet_on_one_time_base_and_gaps_stay_empty(record: Record, tmp_path: Path, method: str) -> None:
    # Positions are their own time in ms, so that an interpolated one tells when it is; nothing from 200 to 800 ms.
    times = [*range(0, 201, 20), *range(800, 1001, 20)]
    flags = [make(FLAG.type, data=bool(index % 2)) for index in range(3)]
    path = record({JOINTS: [joints(at(time), [time]) for time in times], FLAG: flags})
    manifest = path / "manifest.json"
    text = manifest.read_text()
    assert '"gaps": []' in text
    gap = f'"gaps": [{{"from": {at(200)}, "to": {at(800)}, "reason": "test"}}]'
    manifest.write_text(text.replace('"gaps": []', gap))
    code, told, errors = call(path, "--format", "csv", "--out", tmp_path / "out", "--rate", 100, "--method", method)
    assert (code, errors) == (0, "")
    table = rows(tmp_path / "out" / path.name / "table.csv")
    assert told["sessions"][0]["files"] == [{"file": "table.csv", "stream": "", "rows": len(table)}]
    stamps = [int(row["stamp_ns"]) for row in table]
    assert stamps == [at(10 * index) for index in range(101)]
    values = [row["joints.position[0]"] for row in table]
    assert values[0] == "0.0"
    assert values[1] == ("0.0" if method == "nearest" else "10.0")
    assert [float(value) for value in values[:21:2]] == [float(time) for time in range(0, 201, 20)]
    assert set(values[21:80]) == {""}
    assert (values[80], values[100]) == ("800.0", "1000.0")
    # Three flags, received 5 ms apart.
    assert [row["flag.data"] for row in table[:3]] == ["0", "0", ""]


def test_a_rate_makes_parquet_with_null_where_nothing_is(record: Record, tmp_path: Path) -> None:
    path = record({JOINTS: [joints(at(0), [1.0]), joints(at(100), [2.0])], FLAG: [make(FLAG.type, data=True)]})
    assert call(path, "--format", "parquet", "--out", tmp_path, "--rate", 20, "--method", "linear")[0] == 0
    table = parquet.read_table(tmp_path / path.name / "table.parquet")
    assert table.column("joints.position[0]").to_pylist() == [1.0, 1.5, 2.0]
    assert table.column("flag.data").to_pylist() == [True, None, None]


def test_what_can_be_read_of_a_damaged_bag_is_exported_and_the_loss_told(record: Record, tmp_path: Path) -> None:
    path = record({TOPIC: [imu(at(index * 5)) for index in range(12_000)]}, chunk_s=60.0)
    (bag,) = (path / "bag").glob("*.mcap")
    bag.write_bytes(bag.read_bytes()[: bag.stat().st_size // 2])
    code, told, _ = call(path, "--format", "csv", "--out", tmp_path)
    (session,) = told["sessions"]
    assert code == 1
    assert len(session["losses"]) == 1
    assert "of 12000 could be read" in session["losses"][0]
    assert 0 < len(rows(tmp_path / path.name / "imu.data_raw.csv")) == session["files"][0]["rows"] < 12_000


def test_nothing_is_overwritten_and_one_bad_session_does_not_keep_others(record: Record, tmp_path: Path) -> None:
    first, second = record({TOPIC: [imu(at(0))]}), record({TOPIC: [imu(at(0))]})
    out = tmp_path / "out"
    (out / first.name).mkdir(parents=True)
    code, told, errors = call(first, tmp_path / "nothing", second, "--format", "csv", "--out", out)
    assert code == 2
    assert ["error" in each for each in told["sessions"]] == [True, True, False]
    assert "nothing is overwritten" in errors
    assert sorted(each.name for each in out.iterdir()) == sorted([first.name, second.name])
    assert list((out / first.name).iterdir()) == []


@pytest.mark.parametrize("form", ["csv", "lerobot"])
def test_what_is_broken_off_leaves_nothing(record: Record, tmp_path: Path, form: Format) -> None:
    path = record({TOPIC: [imu(at(index * 5)) for index in range(200)]})
    out, told = tmp_path / "out" / "deeper", []

    def progress(what: str, done: int, total: int) -> None:
        told.append((what, done, total))
        if len(told) == 6:
            raise Interrupted("stopped")

    wish = Wish(form, rate_hz=10)
    export: Any = partial(export_dataset, [path]) if form == "lerobot" else partial(export_session, path)
    with pytest.raises(Interrupted):
        export(out, wish, progress)
    assert told[:5] == [("imu/data_raw", done, 200) for done in (0, 50, 100, 150, 0)]
    assert [each for each in (tmp_path / "out").rglob("*") if each != out] == []


def test_nothing_is_written_into_a_session(record: Record) -> None:
    path = record({TOPIC: [imu(at(0))]})
    before = sorted(path.rglob("*"))
    code, _, errors = call(path, "--format", "csv", "--out", path / "bag")
    assert (code, "is inside the session" in errors) == (2, True)
    assert sorted(path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--stream", "nobody"), "has no stream 'nobody'; there is: front, imu/data_raw"),
        (("--stream", "front"), "front is a stream of kind video; csv takes topic"),
        (("--method", "linear"), "add --rate"),
        (("--rate", "inf"), "no number of rows a second"),
    ],
)
def test_a_wrong_call_says_why_and_leaves_nothing(record: Record, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    path = record({TOPIC: [imu(at(0))], CAMERA: list(video("mjpeg", 2))})
    code, _, errors = call(path, "--format", "csv", "--out", tmp_path / "out", *arguments)
    assert code == 2
    assert says in " ".join(errors.replace("│", " ").split())
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_missing_package_is_named_with_its_remedy(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, errors = call(record({TOPIC: [imu(at(0))]}), "--format", "parquet", "--out", tmp_path / "out")
    assert code == 1
    assert "./rig extra analysis" in errors
    assert list((tmp_path / "out").iterdir()) == []
