"""`rig report`, as it is called."""

import json
from pathlib import Path

import pytest

from rig_capture.cli import main
from rig_capture.recorder.verify.verify import verify_session
from rig_capture.reporting.models import SessionReport
from rig_capture.session.additions import add_files, read_additions
from test.playback.sessions import CAMERA, TOPIC, record_session
from test.recorder.messages import START_NS, imu, video


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A session, and another folder to be in."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    motion = [imu(START_NS + index * 5_000_000) for index in range(200)]
    return record_session(tmp_path / "sessions", {CAMERA: list(video("h264", 30)), TOPIC: motion})


def test_the_page_lies_where_it_was_asked_for_and_the_session_stays_as_it_is(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in session.rglob("*")}
    assert main(["report", str(session)]) == 0
    page = Path(f"{session.name}.report.html")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert str(page) in capsys.readouterr().out
    assert main(["report", str(session), "--out", "other.html"]) == 0
    assert Path("other.html").is_file()
    assert {path: path.stat().st_mtime_ns for path in session.rglob("*")} == before


def test_json_is_the_report(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(session), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.keys() == SessionReport.model_fields.keys()
    assert [stream["read"] for stream in printed["streams"]] == [30, 200]
    assert "jpeg" not in printed["pictures"][0]["pictures"][0]
    assert not list(Path().iterdir())


def test_attached_pages_belong_to_the_session_and_are_replaced(session: Path) -> None:
    for _ in range(2):
        assert main(["report", str(session), "--attach"]) == 0
        (added,) = read_additions(session, "attachments").files
        assert (added.path, added.label) == ("quality_report.html", "quality report")
        assert verify_session(session).whole
    assert not list(Path().iterdir())


def test_no_file_of_a_user_is_replaced(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = Path("quality_report.html")
    own.write_text("mine", encoding="utf-8")
    add_files(session, "attachments", [own], "by hand")
    assert main(["report", str(session), "--attach"]) == 1
    assert "already" in capsys.readouterr().err
    assert (session / "attachments" / own).read_text(encoding="utf-8") == "mine"


def test_nothing_is_written_into_a_session_that_is_the_current_folder(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(session)
    before = set(session.rglob("*"))
    assert main(["report", "."]) == 2
    assert set(session.rglob("*")) == before
    assert main(["report", ".", "--out", "../walk.html"]) == 0


def test_exit_codes_tell_what_is_wrong(session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "no session" in capsys.readouterr().err
    assert main(["report", str(session), "--out", str(session / "report.html")]) == 2
    assert main(["report", str(session), "--out", "not/there.html"]) == 2
    assert not list(Path().iterdir())
    sorted((session / "front").glob("*.mkv"))[-1].unlink()
    assert main(["report", str(session)]) == 1
    assert "What is wrong" in Path(f"{session.name}.report.html").read_text(encoding="utf-8")
