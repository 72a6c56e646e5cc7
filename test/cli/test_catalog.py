"""The command `rig catalog`."""

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet
import pytest

from rig_capture.cli import main
from rig_capture.delivery.ingest import DataInterface
from rig_capture.delivery.rescue import ingest_all
from rig_capture.delivery.scan import scan_folder
from rig_capture.profiles.settings.rig import DeliverySettings
from test.delivery.sessions import make_session

IDS = ["rec_20260507_143022_a1b2", "rec_20260508_090000_0001"]


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Store and catalog of two recordings, of two rigs."""
    folder = tmp_path / "data"
    monkeypatch.setenv("RIG_CAPTURE_DATA_DIR", str(folder))
    make_session(tmp_path / "disk/a", recording_id=IDS[0], participant="Ada L.", label="Long walk", tags=("outdoors",))
    later = "2026-05-08T09:00:00+00:00"
    make_session(tmp_path / "disk/b", {"x": b"12"}, recording_id=IDS[1], rig="rig2", started_at=later, ended_at=later)
    with DataInterface.open(DeliverySettings()) as data:
        assert ingest_all(data, scan_folder(tmp_path / "disk")).failed == 0
    return folder


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ([], IDS),
        (["--rig", "rig2"], IDS[1:]),
        (["--label", "WALK"], IDS[:1]),
        (["--label", "%"], []),
        (["--participant", "ada l"], IDS[:1]),
        (["--tag", "outdoors"], IDS[:1]),
        (["--since", "2026-05-08"], IDS[1:]),
        (["--until", "2026-05-08"], IDS[:1]),
        (["--rig", "rig1", "--since", "2026-05-08"], []),
    ],
)
@pytest.mark.usefixtures("data_dir")
def test_the_list_can_be_narrowed(capsys: pytest.CaptureFixture[str], options: list[str], wanted: list[str]) -> None:
    assert main(["catalog", "list", "--json", *options]) == 0
    assert [row["recording_id"] for row in json.loads(capsys.readouterr().out)["recordings"]] == wanted


@pytest.mark.usefixtures("data_dir")
def test_one_recording_is_shown_by_id_or_by_the_beginning_of_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", "show", IDS[1], "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [file["path"] for file in shown["files"]["host-a"]] == ["x"]
    assert main(["catalog", "show", shown["recording_hash"][:10]]) == 0
    assert IDS[1] in capsys.readouterr().out
    assert main(["catalog", "show", "rec_nothing"]) == 2
    assert "no such recording" in capsys.readouterr().err


@pytest.mark.usefixtures("data_dir")
def test_exports_have_a_row_per_file(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["catalog", "export"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfdbinary.readouterr().out.decode())))
    assert len(rows) == 5
    assert rows[-1]["key"] == f"recordings/rig2/{IDS[1]}/host-a/x"
    for kind in ("json", "parquet"):
        assert main(["catalog", "export", "--format", kind, "-o", str(tmp_path / kind)]) == 0
    assert [row["sha256"] for row in json.loads((tmp_path / "json").read_text())] == [row["sha256"] for row in rows]
    table = pyarrow.parquet.read_table(tmp_path / "parquet").to_pylist()
    assert [(row["key"], str(row["size"])) for row in table] == [(row["key"], row["size"]) for row in rows]


def test_a_lost_catalog_comes_back_from_the_store(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", "list", "--json"]) == 0
    before = [row["recording_hash"] for row in json.loads(capsys.readouterr().out)["recordings"]]
    for path in data_dir.glob("catalog.db*"):
        path.unlink()
    assert main(["catalog", "list"]) == 2
    assert "no catalog yet" in capsys.readouterr().err
    assert main(["catalog", "rebuild", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"registered": 2, "failed": []}
    assert main(["catalog", "list", "--json"]) == 0
    assert [row["recording_hash"] for row in json.loads(capsys.readouterr().out)["recordings"]] == before


def test_an_address_that_is_none_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", "list", "--catalog", "mysql://rig@host/captures"]) == 2
    assert "mysql is not supported; SQLite and PostgreSQL are" in capsys.readouterr().err
