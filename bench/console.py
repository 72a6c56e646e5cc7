"""`./rig bench console`: what viewers of the web console cost, and whether they cost the recorder anything."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import psutil
import typer
from rich.console import Console
from rich.table import Table

from rig_capture.console.place import ConsolePlace, console_place
from rig_capture.nodes.clients.rig import RigClient
from rig_capture.session.manifest import read_manifest

_PROFILE = """
rig: bench
discovery: LOCALHOST
uploader: null
cameras:
"""
_CAMERA = "  camera{}: {{driver: synthetic, width: 640, height: 480, fps: 30, preview_fps: {}}}\n"
_DEVICES = "microphones: {mic: {}}\nimus: {imu: {}}\n"


@dataclass(frozen=True)
class Result:
    """One recording, with so many viewers; processor time in percent of a core."""

    viewers: int
    seconds: float
    messages: int
    lost: int
    """On record, all streams."""
    gaps: int
    console_cpu: float
    recorder_cpu: float
    cameras_cpu: float
    viewers_cpu: float
    pictures_s: float
    """Pictures per second and camera that a viewer got, the mean over all."""
    pictures_least_s: float
    """Of the viewer that got fewest."""
    sent_mb_s: float
    console_mb: float
    """Resident memory."""


def main(
    *,
    viewers: Annotated[int, typer.Option(min=1, help="Pages that look at all previews, levels and the IMU.")] = 20,
    cameras: Annotated[int, typer.Option(min=1, help="Cameras, 640x480 at 30 fps.")] = 4,
    rate: Annotated[float, typer.Option(help="Pictures per second and camera.")] = 5.0,
    seconds: Annotated[float, typer.Option(min=5, help="Length of each of the two recordings.")] = 20.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Record with and without viewers, one after the other with the same nodes, and compare losses and processor time."""
    with tempfile.TemporaryDirectory(prefix="rig_") as folder, _rig(Path(folder), cameras, rate) as (client, place, pids):
        results = [_record(client, place, pids, count, cameras, rate, seconds) for count in (0, viewers)]
    well = results[1].lost <= results[0].lost
    if as_json:
        typer.echo(json.dumps({"well": well, "cameras": cameras, "rate_hz": rate, "runs": [asdict(one) for one in results]}, indent=1))
        raise typer.Exit(0 if well else 1)
    table = Table("", *(f"{one.viewers} viewers" for one in results), title=f"{cameras} cameras recorded, {seconds:g} s each")
    for name, unit in (
        ("messages", ""),
        ("lost", ""),
        ("gaps", ""),
        ("console_cpu", "%"),
        ("recorder_cpu", "%"),
        ("cameras_cpu", "%"),
        ("viewers_cpu", "%"),
        ("pictures_s", "/s"),
        ("pictures_least_s", "/s"),
        ("sent_mb_s", "MB/s"),
        ("console_mb", "MB"),
    ):
        values = [getattr(one, name) for one in results]
        texts = (str(value) if isinstance(value, int) else f"{value:.1f}" for value in values)
        table.add_row(name.replace("_", " "), *(f"{text} {unit}".strip() for text in texts))
    Console().print(table)
    raise typer.Exit(0 if well else 1)


@contextmanager
def _rig(folder: Path, cameras: int, rate: float) -> Iterator[tuple[RigClient, ConsolePlace, dict[str, int]]]:
    """A rig of its own that is up while the block runs: who speaks to it, its console, and its processes."""
    os.environ |= {
        "ROS_DOMAIN_ID": str(50 + os.getpid() % 10),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "RIG_CAPTURE_RUNTIME_DIR": str(folder / "run"),
        "RIG_CAPTURE_DATA_DIR": str(folder / "data"),
    }
    profile = folder / "bench.yaml"
    profile.write_text(_PROFILE + "".join(_CAMERA.format(number, rate) for number in range(cameras)) + _DEVICES)
    command = [sys.executable, "-m", "rig_capture.cli"]
    subprocess.run([*command, "up", "--profile", str(profile), "--background"], check=True, stdout=subprocess.DEVNULL)
    try:
        place = console_place("/", int(os.environ["ROS_DOMAIN_ID"]))
        if place is None:
            raise RuntimeError("the console does not run")
        status = subprocess.run([*command, "status", "--json"], check=False, capture_output=True, text=True)
        pids = {process["name"]: process["pid"] for process in json.loads(status.stdout)["processes"]}
        with RigClient() as client:
            yield client, place, pids
    finally:
        subprocess.run([*command, "down"], check=True, stdout=subprocess.DEVNULL)


def _record(
    client: RigClient, place: ConsolePlace, pids: dict[str, int], viewers: int, cameras: int, rate: float, seconds: float
) -> Result:
    with _Viewers(place, viewers, cameras, rate) as crowd:
        path = Path(client.start_recording(label=f"{viewers} viewers").path)
        crowd.begin()
        before, watched = {name: _cpu_s(pid) for name, pid in pids.items()}, _cpu_s(crowd.pid)
        threading.Event().wait(seconds)
        after, seen = {name: _cpu_s(pid) for name, pid in pids.items()}, crowd.counts()
        watched = _cpu_s(crowd.pid) - watched
        memory = psutil.Process(pids["console"]).memory_info().rss / 1e6
        client.stop_recording()
    manifest = read_manifest(path)
    used = {name: 100 * (after[name] - before[name]) / seconds for name in pids}
    each = [count / cameras / seconds for count, _ in seen] or [0.0]
    return Result(
        viewers=viewers,
        seconds=seconds,
        messages=sum(stream.messages for stream in manifest.streams.values()),
        lost=sum(stream.loss.total for stream in manifest.streams.values()),
        gaps=sum(len(stream.gaps) for stream in manifest.streams.values()),
        console_cpu=used["console"],
        recorder_cpu=used["recorder"],
        cameras_cpu=sum(used[f"camera{number}"] for number in range(cameras)),
        viewers_cpu=100 * watched / seconds,
        pictures_s=sum(each) / len(each),
        pictures_least_s=min(each),
        sent_mb_s=sum(size for _, size in seen) / seconds / 1e6,
        console_mb=memory,
    )


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


class _Viewers:
    """Pages in a process of their own, as they would be on other machines."""

    def __init__(self, place: ConsolePlace, count: int, cameras: int, rate: float) -> None:
        wish = {"previews": [f"camera{number}" for number in range(cameras)], "rate_hz": rate, "levels": ["mic"], "imus": ["imu"]}
        command = [sys.executable, "-m", "bench.console", place.address, str(count), json.dumps(wish)]
        environment = os.environ | {"CONSOLE_TOKEN": place.token}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.pid = self._process.pid

    def __enter__(self) -> "_Viewers":
        self._ask("")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def begin(self) -> None:
        """Counts from now on."""
        self._ask("begin")

    def counts(self) -> list[tuple[int, int]]:
        """Pictures and bytes that each got."""
        return [(count, size) for count, size in json.loads(self._ask("counts"))]

    def _ask(self, what: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if what:
            self._process.stdin.write(f"{what}\n")
            self._process.stdin.flush()
        return self._process.stdout.readline()


async def _look(address: str, count: int, wish: dict[str, Any]) -> None:
    """The process of the viewers: tells when all have a picture, then answers `begin` and `counts`."""
    seen = [[0, 0] for _ in range(count)]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {os.environ['CONSOLE_TOKEN']}"}) as session:

        async def view(number: int) -> None:
            async with session.ws_connect(f"{address}api/live") as page:
                await page.send_json(wish)
                async for message in page:
                    size = len(message.data)
                    seen[number][1] += size
                    seen[number][0] += message.type == aiohttp.WSMsgType.BINARY

        views = [asyncio.create_task(view(number)) for number in range(count)]
        while not all(pictures for pictures, _ in seen):
            await asyncio.sleep(0.1)
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line.strip() == "begin":
                for one in seen:
                    one[:] = [0, 0]
            print(json.dumps(seen), flush=True)
        for task in views:
            task.cancel()
        await asyncio.gather(*views, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(_look(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])))
