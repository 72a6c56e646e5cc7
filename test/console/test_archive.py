"""Sessions listed and opened, played, verified, reported on; jobs. Over HTTP, with real sessions on disk."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rig_capture.delivery.ledger import Ledger
from rig_capture.profiles.places import ledger_path
from rig_capture.reading.session import open_session
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import read_manifest
from test.console.parts import Served, served
from test.parts import fill_to_the_brim, wait_until
from test.playback.sessions import AUDIO, CAMERA, TOPIC, record_session
from test.recorder.messages import START_NS, audio, imu, video


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, {"answer_timeout_s": 5.0}) as running:
        yield running


def a_session(console: Served, codec: str = "h264", count: int = 30, **settings: Any) -> Path:
    packets = list(video(codec, count, gop=5))
    sounds = [audio(index) for index in range(count * 2 // 3)]
    samples = [imu(START_NS + number * 5_000_000) for number in range(100)]
    return record_session(console.place.sessions, {CAMERA: packets, AUDIO: sounds, TOPIC: samples}, **settings)


def done(console: Served, task: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def ended() -> bool:
        found.append(console.visitor.get(f"/api/tasks/{task}").json)
        return bool(found[-1]["state"] != "running")

    wait_until(ended, f"task {task}", 60)
    return found[-1]


def test_sessions_are_listed_with_their_states_and_found_by_words(console: Served) -> None:
    assert console.visitor.get("/api/sessions").json == {"sessions": [], "total": 0}
    first, second = a_session(console), a_session(console)
    broken = a_session(console)
    SessionLayout(broken).manifest.write_text("{")
    manifest = read_manifest(first)
    with Ledger(ledger_path()) as ledger:
        ledger.written(first.name, manifest)
        ledger.registered(first.name)
    told = {row["name"]: row for row in console.visitor.get("/api/sessions").json["sessions"]}
    assert list(told) == sorted((first.name, second.name, broken.name), reverse=True), "the newest first"
    assert {name: row["states"] for name, row in told.items()} == {
        first.name: ["complete", "uploaded"],
        second.name: ["complete"],
        broken.name: ["damaged"],
    }
    row = told[first.name]
    assert (row["recording_id"], row["bytes"], row["streams"], row["lost"]) == (manifest.recording_id, manifest.total_bytes, 3, 0)
    assert "not JSON" in told[broken.name]["error"]
    assert [found["name"] for found in console.visitor.get("/api/sessions?state=uploaded").json["sessions"]] == [first.name]
    assert console.visitor.get(f"/api/sessions?text={second.name.upper()}").json["total"] == 1
    page = console.visitor.get("/api/sessions?limit=1&offset=1").json
    assert (len(page["sessions"]), page["total"]) == (1, 3)
    assert "whole number" in console.visitor.get("/api/sessions?limit=-1").error


def test_a_session_tells_its_streams_files_losses_and_chunks(console: Served) -> None:
    packets, path = list(video("h264", 30, gop=5)), console.place.sessions
    session = record_session(path, {CAMERA: packets[:10] + packets[15:], AUDIO: [audio(index) for index in range(20)]})
    told = console.visitor.get(f"/api/sessions/{session.name}").json
    assert [(stream["name"], stream["codec"], stream["messages"]) for stream in told["streams"]] == [
        ("front", "h264", 25),
        ("mic", "pcm_s16le", 20),
    ]
    assert {file["path"] for file in told["files"]} >= {"front/00000.mkv", "front/frames.csv", "mic/00000.mkv"}
    assert told["lost"] == 5
    assert {"stream": "front", "kind": "sequence", "count": 5} in told["loss"]
    (stream,) = told["video"]
    assert [chunk["start_s"] for chunk in stream["chunks"]] == pytest.approx([0.0, 20 / 30], abs=0.01), "at the first keyframe after 0.5 s"
    assert all(chunk["playable"] and chunk["url"].endswith(".mp4") for chunk in stream["chunks"])
    assert told["audio"][0]["chunks"][0]["name"] == "00000.wav"


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_chunks_are_played_as_mp4_without_a_change_to_their_packets(console: Served, codec: str, tmp_path: Path) -> None:
    session = a_session(console, codec)
    chunks = console.visitor.get(f"/api/sessions/{session.name}").json["video"][0]["chunks"]
    shown: list[tuple[float, np.ndarray]] = []
    for chunk in chunks:
        reply = console.visitor.get(chunk["url"])
        assert (reply.status, reply.headers["Content-Type"]) == (200, "video/mp4")
        file = tmp_path / "chunk.mp4"
        file.write_bytes(reply.body)
        with av.open(str(file), format="mp4") as made:
            assert made.streams.video[0].codec_context.name in (codec, "libdav1d")
            pictures = [(float(frame.time or 0), frame.to_ndarray(format="rgb24")) for frame in made.decode(video=0)]
        assert pictures[-1][0] == pytest.approx(chunk["duration_s"], abs=0.01)
        shown += [(chunk["start_s"] + time_s, picture) for time_s, picture in pictures]
    recorded = list(open_session(session).video("front"))
    assert [time_s for time_s, _ in shown] == pytest.approx([(frame.stamp_ns - START_NS) / 1e9 for frame in recorded], abs=2e-3)
    assert all(np.array_equal(picture, frame.image) for (_, picture), frame in zip(shown, recorded, strict=True))
    part = console.visitor.get(chunks[0]["url"], Range="bytes=10-19")
    assert (part.status, part.body) == (206, console.visitor.get(chunks[0]["url"]).body[10:20])


@pytest.mark.parametrize(("codec", "suffix"), [("pcm", "wav"), ("flac", "flac"), ("opus", "webm")])
def test_sound_is_played_as_it_was_kept(console: Served, codec: str, suffix: str, tmp_path: Path) -> None:
    session = a_session(console, audio_codec=codec, chunk_s=60)
    (chunk,) = console.visitor.get(f"/api/sessions/{session.name}").json["audio"][0]["chunks"]
    assert chunk["name"] == f"00000.{suffix}"
    file = tmp_path / chunk["name"]
    file.write_bytes(console.visitor.get(chunk["url"]).body)
    with av.open(str(file)) as made:
        seconds = sum(frame.samples / frame.sample_rate for frame in made.decode(audio=0))
    assert seconds == pytest.approx(1.0, abs=0.05)


def test_what_browsers_cant_play_is_said_and_refused(console: Served) -> None:
    session = a_session(console, "mjpeg")
    chunk = console.visitor.get(f"/api/sessions/{session.name}").json["video"][0]["chunks"][0]
    assert chunk["playable"] is False
    reply = console.visitor.get(f"/api/sessions/{session.name}/media/front/00000.mp4")
    assert (reply.status, "no chunk" in reply.error) == (404, True)


def test_names_in_addresses_are_looked_up_and_never_opened(console: Served, tmp_path: Path) -> None:
    session = a_session(console)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "manifest.json").write_bytes(SessionLayout(session).manifest.read_bytes())
    hostile = ("..%2Foutside", "%2e%2e%2foutside", f"{session.name}%2F..%2F..%2Foutside", "%2Fetc", "a%00b", "x" * 5000, "%ff", "..", ".")
    for name in hostile:
        for rest in ("", "/report", "/media/front/00000.mp4"):
            assert console.visitor.get(f"/api/sessions/{name}{rest}").status in (400, 404), (name, rest)
    for place in (
        "front/..%2Ffront%2F00000.mkv",
        "front/00000.mkv",
        "bag/00000.mp4",
        "..%2Ffront/00000.mp4",
        "front/99999.mp4",
        "front/00000.",
    ):
        assert console.visitor.get(f"/api/sessions/{session.name}/media/{place}").status == 404, place
    link = console.place.sessions / "rec_link"
    link.symlink_to("/")
    assert console.visitor.get("/api/sessions/rec_link").status == 404


def test_a_session_is_verified_and_reported_on(console: Served) -> None:
    session = a_session(console)
    missing = console.visitor.get(f"/api/sessions/{session.name}/report")
    assert (missing.status, "no quality report yet" in missing.error) == (404, True)
    verify = console.visitor.post(f"/api/sessions/{session.name}/verify")
    report = console.visitor.post(f"/api/sessions/{session.name}/report")
    assert (verify.status, report.status) == (202, 202)
    verdict = done(console, verify.json["task"])
    assert (verdict["state"], verdict["result"]["ok"], verdict["progress"]) == ("done", True, 1.0)
    assert "whole" in verdict["result"]["text"][0] or "files" in verdict["result"]["text"][0]
    assert done(console, report.json["task"])["state"] == "done"
    page = console.visitor.get(f"/api/sessions/{session.name}/report")
    assert page.body.startswith(b"<!doctype html>")
    assert page.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert console.visitor.get("/api/sessions").json["sessions"][0]["has_report"]

    chunk = session / "front" / "00000.mkv"
    chunk.write_bytes(chunk.read_bytes()[:-100])
    verdict = done(console, console.visitor.post(f"/api/sessions/{session.name}/verify").json["task"])
    assert (verdict["state"], verdict["result"]["ok"]) == ("done", False)
    assert any("front/00000.mkv" in line for line in verdict["result"]["text"])
    assert console.visitor.get("/api/sessions").json["sessions"][0]["states"] == ["complete", "damaged"]
    assert console.visitor.get("/api/tasks/none").status == 404
    assert console.visitor.post("/api/sessions/none/verify").status == 404


def test_jobs_are_those_of_the_command(console: Served) -> None:
    assert console.visitor.get("/api/jobs").json == {"jobs": []}
    job = console.visitor.post("/api/jobs", {"duration_s": 60, "label": "walk", "participant": "p01"}).json
    assert (job["state"], job["duration_s"], job["label"]) == ("queued", 60.0, "walk")
    later = console.visitor.post("/api/jobs", {"duration_s": 1, "start_at": "2099-01-01T09:00:00+01:00", "repeat_s": 86400}).json
    command = ["python", "-m", "rig_capture.cli", "jobs", "list", "--namespace", "lab", "--domain", "7", "--json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {one["id"] for one in json.loads(listed.stdout)["jobs"]} == {job["id"], later["id"]}
    wrong: list[tuple[object, str]] = [
        ({"duration_s": 0}, "duration_s"),
        ({"duration_s": 1, "start_at": "2001-01-01T09:00:00Z"}, "is over"),
        ({"duration_s": 1, "start_at": "2099-01-01T09:00:00"}, "start_at"),
        ({"duration_s": 1, "repeat_s": 5}, "needs start_at"),
        ({"duration_s": 1, "else": 1}, "else"),
        (b"{", "no JSON"),
        ([], "body"),
    ]
    for said, reason in wrong:
        reply = console.visitor.post("/api/jobs", said)
        assert (reply.status, reason in reply.error) == (400, True), reply.body
    token = console.visitor.get("/api/rig")  # the same header as below
    assert token.status == 200
    cancelled = _delete(console, f"/api/jobs/{job['id']}")
    assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
    assert (_delete(console, f"/api/jobs/{job['id']}").status, _delete(console, "/api/jobs/ffffff").status) == (400, 404)


def _delete(console: Served, path: str) -> Any:
    from test.console.parts import TOKEN

    return console.visitor.ask("DELETE", path, Authorization=f"Bearer {TOKEN}")


def test_a_disk_that_does_not_answer_is_an_error_and_no_hang(tmp_path: Path) -> None:
    with served(tmp_path, {"answer_timeout_s": 0.3}) as console:
        session = a_session(console)
        stuck = SessionLayout(session).health
        os.mkfifo(stuck)  # reading it waits, as on a server of files that is gone
        reply = console.visitor.get(f"/api/sessions/{session.name}")
        assert (reply.status, "did not answer within 0.3 s" in reply.error) == (504, True)
        assert console.visitor.get("/api/rig").status == 200
        stuck.open("wb").close()


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk takes root")
def test_on_a_full_disk_errors_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=True)
    try:
        monkeypatch.setenv("RIG_CAPTURE_DATA_DIR", str(small))
        with served(tmp_path, storage_reserve=0) as console:
            session = a_session(console)
            fill_to_the_brim(small)
            job = console.visitor.post("/api/jobs", {"duration_s": 1})
            assert (job.status, "No space left" in job.error) == (500, True)
            media = console.visitor.get(f"/api/sessions/{session.name}/media/front/00000.mp4")
            assert (media.status, "free, which is too little" in media.error) == (500, True)
            task = done(console, console.visitor.post(f"/api/sessions/{session.name}/report").json["task"])
            assert (task["state"], "No space left" in task["error"]) == ("failed", True)
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)


def test_what_is_made_ready_stays_within_its_size_and_goes_at_the_end(tmp_path: Path) -> None:
    with served(tmp_path, {"media_cache": 1}, storage_reserve=0) as console:
        session = a_session(console)
        folder = console.server._media.folder
        for _ in range(2):
            for chunk in console.visitor.get(f"/api/sessions/{session.name}").json["video"][0]["chunks"]:
                assert console.visitor.get(chunk["url"]).status == 200
                assert len(list(folder.iterdir())) == 1
    assert not folder.exists()
