"""The console among the nodes of a real rig: what it shows of them, and what it has them do."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest

from test.console.parts import Visitor
from test.console.rigs import SimRig, sim_rig
from test.parts import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimRig]:
    with sim_rig(tmp_path_factory.mktemp("rig"), "recorder.chunk_s=1") as running:
        yield running


class Operator:
    """Someone with the address that `rig status --json` tells."""

    def __init__(self, place: dict[str, Any]) -> None:
        self.url, self.token = place["address"], place["token"]
        self._visitor = Visitor(self.url)

    def get(self, path: str) -> Any:
        return self._visitor.ask("GET", path, Authorization=f"Bearer {self.token}").json

    def fetch(self, path: str) -> bytes:
        return self._visitor.ask("GET", path, Authorization=f"Bearer {self.token}").body

    def post(self, path: str, body: object = None) -> tuple[int, Any]:
        reply = self._visitor.ask("POST", path, body, Authorization=f"Bearer {self.token}")
        return reply.status, reply.json

    @property
    def state(self) -> str:
        return str(self.get("/api/status").get("status", {}).get("state"))


@pytest.fixture(scope="module")
def operator(rig: SimRig) -> Operator:
    return Operator(rig.status["console"])


def test_the_page_is_told_what_the_rig_consists_of(rig: SimRig, operator: Operator) -> None:
    told = operator.get("/api/rig")
    assert [(camera["name"], camera["width"]) for camera in told["cameras"]] == [("camera_front", 320), ("camera_side", 320)]
    assert told["microphones"] == [{"name": "audio_main", "rate_hz": 48000, "channels": ["ch0", "ch1"]}]
    assert ([imu["name"] for imu in told["imus"]], told["recorder"], told["estimator"]) == (["imu"], True, False)
    file = next(rig.runtime.glob("*/console.json"))
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    assert "console: http://127.0.0.1:" in rig.run("status")


def test_pictures_levels_motion_sound_and_state_come_while_they_are_wanted(operator: Operator) -> None:
    heard: dict[object, Any] = {}

    async def look() -> None:
        wish = {"previews": ["camera_front", "camera_side"], "rate_hz": 10, "levels": ["audio_main"], "imus": ["imu"]}
        headers = {"Authorization": f"Bearer {operator.token}"}
        async with aiohttp.ClientSession(headers=headers) as session, session.ws_connect(f"{operator.url}api/live") as page:
            await page.send_json(wish | {"listen": {"microphone": "audio_main", "channel": 1}})
            wanted = {0, 1, 0xFF, "levels", "imu", "status", "battery", "network"}
            while not wanted <= set(heard):
                message = await page.receive(20)
                if message.type == aiohttp.WSMsgType.BINARY:
                    heard[message.data[0]] = message.data
                else:
                    said = json.loads(message.data)
                    heard[said["type"]] = said

    asyncio.run(asyncio.wait_for(look(), 60))
    for index in (0, 1):
        picture = av.CodecContext.create("mjpeg", "r").decode(av.Packet(heard[index][9:]))[0]
        assert (picture.width, picture.height) == (320, 240)
    assert abs(int.from_bytes(heard[0][1:9]) / 1e9 - heard["status"]["stamp_s"]) < 10
    assert int.from_bytes(heard[0xFF][1:5]) == 48000
    assert len(heard[0xFF]) == 6 + 2 * 2400, "50 ms of one channel"
    (left, right) = heard["levels"]["channels"]
    assert -60 < left["rms_dbfs"] < 0
    assert set(right) == {"rms_dbfs", "peak_dbfs", "clipping", "flatline", "low", "speech"}
    motion = heard["imu"]
    assert len(motion["stamps_s"]) == len(motion["accel"]) == len(motion["gyro"])
    assert all(after - before > 0.019 for before, after in pairwise(motion["stamps_s"])), "no more than a plot shows"
    assert 5 < sum(axis**2 for axis in motion["accel"][0]) ** 0.5 < 15, "standard gravity, about"
    assert 0 <= heard["battery"]["percent"] <= 100
    assert {node["name"] for node in heard["status"]["nodes"]} >= {"/console", "/camera_front", "/recorder"}
    assert heard["status"]["recorder"]["state"] == "idle"


def test_a_recording_is_started_shown_stopped_listed_and_played(operator: Operator, tmp_path: Path) -> None:
    status, started = operator.post("/api/recording/start", {"participant": "p01", "label": "walk"})
    assert (status, started["success"]) == (200, True), started
    wait_until(lambda: operator.state == "recording", "recording")
    again, refused = operator.post("/api/recording/start", {})
    assert (again, bool(refused["error"])) == (409, True)
    name = Path(started["path"]).name
    (row,) = operator.get("/api/sessions?state=recording")["sessions"]
    assert (row["name"], row["participant"], row["label"]) == (name, "p01", "walk")
    wait_until(lambda: operator.get("/api/status")["status"]["recorder"]["elapsed_s"] > 1.5, "so much of it")
    streams = {stream["topic"]: stream for stream in operator.get("/api/status")["status"]["recorder"]["streams"]}
    assert streams["camera_front/video"]["messages"] > 0
    status, stopped = operator.post("/api/recording/stop")
    assert (status, stopped["recording_id"]) == (200, started["recording_id"])
    wait_until(lambda: "complete" in operator.get(f"/api/sessions/{name}")["states"], "complete", 60)
    session = operator.get(f"/api/sessions/{name}")
    chunk = session["video"][0]["chunks"][0]
    file = tmp_path / "chunk.mp4"
    file.write_bytes(operator.fetch(chunk["url"]))
    with av.open(str(file)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 5
    wait_until(lambda: "uploaded" in operator.get(f"/api/sessions/{name}")["states"], "uploaded", 60)


def test_a_recording_is_cancelled_and_gone(operator: Operator) -> None:
    status, started = operator.post("/api/recording/start", {"label": "nothing"})
    assert status == 200, started
    status, cancelled = operator.post("/api/recording/cancel", {})
    assert (status, cancelled["recording_id"]) == (200, started["recording_id"])
    assert not Path(started["path"]).exists()
    assert operator.post("/api/recording/stop") == (409, {"error": "no recording runs"})


def test_a_recorder_that_is_killed_is_seen_to_go_and_come_back(rig: SimRig, operator: Operator) -> None:
    recorder = rig.node("recorder")
    recorder.suspend()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(operator.post, "/api/recording/start", {"label": "never"})
        wait_until(answer.running, "the question")
        recorder.kill()
        status, said = answer.result()
    assert status == 504
    assert "the recorder ended before it answered" in said["error"] or "nobody offers" in said["error"]

    def is_back() -> bool:
        status = operator.get("/api/status")["status"]
        pids = {node["name"]: node["pid"] for node in status["nodes"]}
        return pids["/recorder"] != recorder.pid and status["state"] == "idle"

    wait_until(is_back, "its return", 60)
    status, started = operator.post("/api/recording/start", {"label": "after"})
    assert status == 200, started
    assert operator.post("/api/recording/cancel", {})[0] == 200
