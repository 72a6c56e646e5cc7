"""What viewers are sent as it comes: to each what it wants, to slow ones the newest, to strangers nothing."""

import asyncio
import json
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rig_capture.console.rig import Interest
from rig_capture.profiles.settings.console import ConsoleSettings
from test.console.parts import TOKEN, Served, served
from test.parts import wait_until

Page = aiohttp.ClientWebSocketResponse
JPEG = bytes(range(256)) * 40
START_NS = 1_795_000_000_000_000_000


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        yield running


def visit(console: Served, call: Callable[..., Awaitable[None]], pages: int = 1) -> None:
    """Runs something with so many pages that are open."""

    async def run() -> None:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
            opened = [await session.ws_connect(f"{console.url}api/live") for _ in range(pages)]
            try:
                await asyncio.wait_for(call(*opened), 30)
            finally:
                for page in opened:
                    await page.close()

    asyncio.run(run())


def show(console: Served, camera: str, stamp_ns: int, jpeg: bytes) -> None:
    """A camera sends a picture."""
    console.server.tell(lambda hub: hub.picture(camera, stamp_ns, memoryview(jpeg)))


async def told(page: Page, kind: str) -> dict[str, Any]:
    """The next message of a kind."""
    while True:
        message = await page.receive(10)
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        if message.type == aiohttp.WSMsgType.TEXT and (said := json.loads(message.data))["type"] == kind:
            return dict(said)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_the_rig_is_asked_for_what_all_viewers_want_together_and_for_nothing_else(console: Served) -> None:
    async def look(one: Page, other: Page) -> None:
        assert console.rig.wanted == Interest()
        await one.send_json({"previews": ["front"], "rate_hz": 5})
        await other.send_json({"previews": ["side"], "levels": ["mic"], "imus": ["imu"], "listen": {"microphone": "mic", "channel": 1}})
        both = Interest(frozenset({"front", "side"}), frozenset({"mic"}), frozenset({"imu"}), frozenset({"mic"}))
        await until(lambda: console.rig.wanted == both)
        await other.send_json({"levels": [], "listen": None})
        await until(lambda: console.rig.wanted == Interest(frozenset({"front", "side"}), imus=frozenset({"imu"})))
        await other.close()
        await until(lambda: console.rig.wanted == Interest(frozenset({"front"})))

    visit(console, look, 2)
    wait_until(lambda: console.rig.wanted == Interest(), "nobody looks any more")


def test_a_wish_that_makes_no_sense_is_answered_and_changes_nothing(console: Served) -> None:
    wrong = [
        *("nonsense", "[]", '{"previews": "front"}', '{"previews": ["back"]}', '{"rate_hz": 0}', '{"rate_hz": true}', '{"else": 1}'),
        *('{"listen": {"microphone": "mic", "channel": 2}}', '{"listen": 3}', '{"imus": [[]]}', "[" * 10_000),
    ]

    async def look(page: Page) -> None:
        for text in wrong:
            await page.send_str(text)
            assert (await told(page, "error"))["error"]
        assert console.rig.wanted == Interest()
        await page.send_str(" " * 20_000)
        assert (await page.receive(10)).type == aiohttp.WSMsgType.CLOSE, "too large to be a wish"

    visit(console, look)


def test_who_comes_late_is_told_the_newest_state_and_numbers_that_are_none_are_null(console: Served) -> None:
    console.server.tell(lambda hub: hub.state("status", {"type": "status", "state": "idle"}))
    console.server.tell(lambda hub: hub.state("status", {"type": "status", "state": "recording", "heat": float("nan")}))

    async def look(page: Page) -> None:
        assert await told(page, "status") == {"type": "status", "state": "recording", "heat": None}
        await page.send_json({"levels": ["mic"]})
        await until(lambda: bool(console.rig.wanted.levels))
        console.server.tell(lambda hub: hub.levels("mic", {"type": "levels", "microphone": "mic", "rms": [float("-inf"), -3.0]}))
        assert (await told(page, "levels"))["rms"] == [None, -3.0]

    visit(console, look)
    assert console.visitor.get("/api/status").json["status"]["state"] == "recording"


def test_each_viewer_gets_pictures_at_its_own_rate_and_the_sound_it_listens_to(console: Served) -> None:
    async def look(fast: Page, slow: Page) -> None:
        await fast.send_json({"previews": ["front", "side"], "rate_hz": 10, "listen": {"microphone": "mic", "channel": 1}})
        await slow.send_json({"previews": ["side"], "rate_hz": 2, "levels": ["mic"]})
        await until(lambda: bool(console.rig.wanted.levels and console.rig.wanted.sounds))
        got: list[Counter[int]] = [Counter(), Counter()]

        async def count(page: Page, counted: Counter[int]) -> None:
            async for message in page:
                if message.type == aiohttp.WSMsgType.BINARY:
                    counted[message.data[0]] += 1
                    if message.data[0] != 0xFF:
                        stamp_ns = int.from_bytes(message.data[1:9])
                        assert (message.data[9:], stamp_ns % 100_000_000) == (JPEG, START_NS % 100_000_000)
                    else:
                        assert struct.unpack(">BIB", message.data[:6]) == (0xFF, 48000, 1)
                        assert message.data[6:] == b"\1\0"

        counting = [asyncio.create_task(count(page, counted)) for page, counted in zip((fast, slow), got, strict=True)]
        for number in range(20):
            for camera in ("front", "side"):
                stamp_ns = START_NS + number * 100_000_000
                show(console, camera, stamp_ns, JPEG)
            console.server.tell(lambda hub: hub.sound("mic", 1, 48000, b"\1\0"))
            console.server.tell(lambda hub: hub.sound("mic", 0, 48000, b"\0\0"))
            await until(lambda: got[0][0xFF] == number + 1)  # noqa: B023 - awaited here
        await until(lambda: got == [{0: 20, 1: 20, 0xFF: 20}, {1: 5}])
        for task in counting:
            task.cancel()

    visit(console, look, 2)


def test_a_viewer_that_takes_nothing_costs_nobody_anything_and_gets_the_newest_then(console: Served) -> None:
    picture = bytes(100_000)
    place = console.url.removeprefix("http://").rstrip("/")
    host, port = place.split(":")
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect((host, int(port)))
        wish = json.dumps({"previews": ["front"], "rate_hz": 60}).encode()
        head = f"GET /api/live HTTP/1.1\r\nHost: {place}\r\nAuthorization: Bearer {TOKEN}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        stuck.sendall((head + key).encode() + bytes((0x81, 0x80 | len(wish), 0, 0, 0, 0)) + wish)
        wait_until(lambda: bool(console.rig.wanted.previews), "its wish")

        async def look(page: Page) -> None:
            await page.send_json({"previews": ["front"], "rate_hz": 60})
            await until(lambda: [bool(viewer.wishes.previews) for viewer in console.server.hub._viewers] == [True, True])
            for number in range(1, 201):
                stamp_ns = START_NS + number * 50_000_000
                show(console, "front", stamp_ns, picture)
                while (message := await page.receive(10)).type != aiohttp.WSMsgType.BINARY:
                    continue
                assert int.from_bytes(message.data[1:9]) == stamp_ns, "the other one gets each picture"

        visit(console, look)
        (viewer,) = [viewer for viewer in console.server.hub._viewers if viewer.skipped]
        assert viewer.skipped > 150, "20 MB would wait for it otherwise"
        assert len(viewer.pictures) == 1
        last = b""
        stuck.settimeout(5)
        newest = (START_NS + 200 * 50_000_000).to_bytes(8)
        while newest not in last:
            last = last[-16:] + stuck.recv(65536)
    wait_until(lambda: console.server.hub.viewers == 0, "its end")


def test_more_viewers_than_allowed_are_turned_away(tmp_path: Path) -> None:
    with served(tmp_path, {"most_viewers": 2}) as console:

        async def look(one: Page, other: Page) -> None:
            await until(lambda: console.server.hub.viewers == 2)
            reply = await asyncio.to_thread(console.visitor.get, "/api/live")
            assert (reply.status, "most_viewers" in reply.error) == (429, True)

        visit(console, look, 2)


def test_pages_are_told_when_the_console_ends(tmp_path: Path) -> None:
    with served(tmp_path) as console:

        async def look(page: Page) -> None:
            await until(lambda: console.server.hub.viewers == 1)
            ending = asyncio.create_task(asyncio.to_thread(console.server.stop))
            message = await page.receive(10)
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.GOING_AWAY)
            await ending

        visit(console, look)


def test_pages_come_anew_where_the_rig_has_other_devices(console: Served) -> None:
    async def look(page: Page) -> None:
        await page.send_json({"previews": ["side"]})
        await until(lambda: bool(console.rig.wanted.previews))
        fewer = console.place.profile.model_copy(update={"cameras": {"front": console.place.profile.cameras["front"]}})
        console.server.update(ConsoleSettings(), replace(console.place, profile=fewer))
        while (message := await page.receive(10)).type == aiohttp.WSMsgType.TEXT:
            continue
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.TRY_AGAIN_LATER)

    visit(console, look)
    assert [camera["name"] for camera in console.visitor.get("/api/rig").json["cameras"]] == ["front"]
