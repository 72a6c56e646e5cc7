"""`./rig bench recorder`: what the recorder costs under load, and whether it loses anything."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import psutil
import rclpy
import typer
import yaml
from rich import box
from rich.console import Console
from rich.table import Table
from rig_capture_msgs.srv import StartRecording, StopRecording

from rig_capture.profiles.dds_files import ONE_MACHINE, file_variables
from rig_capture.session.manifest import read_manifest

_TYPES = {
    "image": "sensor_msgs/msg/Image",
    "video": "rig_capture_msgs/msg/VideoPacket",
    "audio": "rig_capture_msgs/msg/AudioChunk",
    "imu": "sensor_msgs/msg/Imu",
    "bytes": "std_msgs/msg/ByteMultiArray",
}

# CPU seconds that `ros2 bag record -s mcap` (rosbag2 0.26.5, C++) needed for ten seconds of the same load: median of eight
# runs on two cores of another machine. Compare ratios, with the noise in mind.
REFERENCE_CPU_S = {"i": 1.35, "ii": 4.12, "iii": 1.89, "iv": 0.66, "v": 0.63}


@dataclass(frozen=True)
class Load:
    """One publisher process."""

    kind: str
    topics: tuple[str, ...]
    size: int
    rate: float
    depth: int = 200


CASES: dict[str, tuple[str, tuple[Load, ...]]] = {
    "i": ("1280x720 rgb8, 30 fps", (Load("image", ("image",), 1280 * 720 * 3, 30, 30),)),
    "ii": ("1920x1080 rgb8, 30 fps", (Load("image", ("image",), 1920 * 1080 * 3, 30, 30),)),
    "iii": ("4 x 640x480 rgb8, 30 fps", tuple(Load("image", (f"image{n}",), 640 * 480 * 3, 30, 60) for n in range(4))),
    "iv": ("1 kB at 1000 Hz", (Load("bytes", ("small",), 1000, 1000, 1000),)),
    "v": ("8 x 100 kB at 30 Hz", tuple(Load("bytes", (f"block{n}",), 100_000, 30) for n in range(8))),
    "vi": (
        "a rig: 4 video, 2 audio, IMU 1 kHz, 20 small topics at 50 Hz",
        (
            *(Load("video", (f"camera{n}/video",), 15_000, 30) for n in range(4)),
            *(Load("audio", (f"audio{n}/audio",), 9_600, 20) for n in range(2)),
            Load("imu", ("imu/data_raw",), 0, 1000, 1000),
            Load("bytes", tuple(f"small{n}" for n in range(20)), 200, 50),
        ),
    ),
}


@dataclass(frozen=True)
class Result:
    """What one case cost; CPU and memory are those of the recorder's process while recording."""

    case: str
    sent: int
    recorded: int
    lost: int
    on_record: int
    cpu_s: float
    cpu_s_per_gb: float
    cpu_ms_per_1000: float
    peak_mb: float
    bytes: int
    reference_ratio: float | None
    """CPU against C++ `ros2 bag record` on its own machine; None where there is no reference."""
    peer_cpu_s: float | None
    """CPU of `bench.peer` under the same load, right after; None where it was not asked for or the case has several types."""


def main(
    cases: Annotated[list[str] | None, typer.Argument(help="Cases i to vi; none: all.")] = None,
    *,
    seconds: Annotated[float, typer.Option(help="Length of each case but vi, which takes six times as long.")] = 10.0,
    peer: Annotated[bool, typer.Option(help="Also the least a recorder in Python can do, under the same load (not vi).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """CPU, memory and losses of the recorder, with load from other processes."""
    os.environ.setdefault("ROS_DOMAIN_ID", str(50 + os.getpid() % 10))
    os.environ.update(file_variables(ONE_MACHINE))  # as the nodes of a rig have it
    results = []
    for case in cases or CASES:
        result = run_case(case, seconds * (6 if case == "vi" else 1))
        results.append(replace(result, peer_cpu_s=run_peer(case, seconds)) if peer and case != "vi" else result)
    if as_json:
        typer.echo(json.dumps({"cases": [asdict(result) for result in results]}, indent=1))
        return
    peers = any(result.peer_cpu_s is not None for result in results)
    table = Table("case", box=box.SIMPLE_HEAD, pad_edge=False)
    names = ["sent", "recorded", "lost", "CPU s", "s/GB", "ms/1000", "peak MB", "/ C++", *(["/ peer"] if peers else [])]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for result in results:
        counts = (result.sent, result.recorded, result.lost)
        costs = (f"{result.cpu_s:.2f}", f"{result.cpu_s_per_gb:.2f}", f"{result.cpu_ms_per_1000:.1f}", f"{result.peak_mb:.0f}")
        ratios = (_number(result.reference_ratio), _number(result.cpu_s / result.peer_cpu_s if result.peer_cpu_s else None))
        table.add_row(result.case, *map(str, counts), *costs, *ratios[: 1 + peers])
    console = Console()
    console.print(table)
    for result in results:
        console.print(f"{result.case:>4}: {CASES[result.case][0]}", highlight=False)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def run_case(case: str, seconds: float) -> Result:
    """Runs one case and returns what it cost."""
    loads = CASES[case][1]
    folder = Path(tempfile.mkdtemp(prefix="rig_bench_"))
    recorder = _start_recorder(folder, loads)
    publishers: list[subprocess.Popen[str]] = []
    try:
        publishers = [_start_load(load, seconds) for load in loads]
        with _Control() as control:
            started = control.call(StartRecording, "start_recording", StartRecording.Request())
            process = psutil.Process(recorder.pid)
            before = process.cpu_times()
            sent = sum(json.loads(publisher.stdout.readline())["sent"] for publisher in publishers if publisher.stdout)
            after = process.cpu_times()
            peak = _peak_mb(recorder.pid)
            control.call(StopRecording, "stop_recording", StopRecording.Request())
        manifest = read_manifest(Path(started.path))
    finally:
        for publisher in publishers:
            publisher.communicate(timeout=30)
        recorder.terminate()
        recorder.wait(30)
        shutil.rmtree(folder)
    recorded = sum(stream.messages for stream in manifest.streams.values())
    size = sum(stream.bytes for stream in manifest.streams.values())
    cpu = (after.user + after.system) - (before.user + before.system)
    reference = REFERENCE_CPU_S.get(case)
    return Result(
        case=case,
        sent=sent,
        recorded=recorded,
        lost=sent - recorded,
        on_record=sum(stream.loss.total for stream in manifest.streams.values()),
        cpu_s=cpu,
        cpu_s_per_gb=cpu / (size / 1e9),
        cpu_ms_per_1000=cpu * 1e6 / recorded,
        peak_mb=peak,
        bytes=size,
        reference_ratio=None if reference is None else cpu / (reference * seconds / 10),
        peer_cpu_s=None,
    )


def run_peer(case: str, seconds: float) -> float:
    """CPU seconds that `bench.peer` needs for a case whose messages are of one type."""
    loads = CASES[case][1]
    folder = Path(tempfile.mkdtemp(prefix="rig_bench_"))
    command = [sys.executable, "-m", "bench.peer", str(folder / "peer.mcap"), _TYPES[loads[0].kind]]
    command += [topic for load in loads for topic in load.topics]
    peer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    publishers: list[subprocess.Popen[str]] = []
    try:
        assert peer.stdout is not None
        peer.stdout.readline()
        before = psutil.Process(peer.pid).cpu_times()
        publishers = [_start_load(load, seconds) for load in loads]
        for publisher in publishers:
            assert publisher.stdout is not None
            publisher.stdout.readline()
        after = psutil.Process(peer.pid).cpu_times()
    finally:
        for publisher in publishers:
            publisher.communicate(timeout=30)
        peer.terminate()
        peer.communicate(timeout=30)
        shutil.rmtree(folder)
    return (after.user + after.system) - (before.user + before.system)


def _start_recorder(folder: Path, loads: tuple[Load, ...]) -> subprocess.Popen[bytes]:
    kinds = {"video": "video", "audio": "audio"}
    streams = [f"{kinds.get(load.kind, 'topic')} {topic} {_TYPES[load.kind]} optional" for load in loads for topic in load.topics]
    parameters = {"storage_path": str(folder / "sessions"), "streams": streams, "depth": 1000}
    file = folder / "recorder.yaml"
    file.write_text(yaml.safe_dump({"/recorder": {"ros__parameters": parameters}}))
    command = [sys.executable, "-m", "rig_capture.nodes.recorder", "--ros-args", "--params-file", str(file)]
    return subprocess.Popen(command, stderr=(folder / "recorder.log").open("wb"), stdout=subprocess.DEVNULL)


def _start_load(load: Load, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.load", "--kind", load.kind, "--size", str(load.size), "--rate", str(load.rate)]
    command += ["--depth", str(load.depth), "--seconds", str(seconds)]
    command += [word for topic in load.topics for word in ("--topic", topic)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class _Control:
    """Calls the recorder's services."""

    def __enter__(self) -> "_Control":
        rclpy.init(args=[])
        self._node = rclpy.create_node("bench_control")
        return self

    def __exit__(self, *_: object) -> None:
        self._node.destroy_node()
        rclpy.shutdown()

    def call(self, kind: Any, name: str, request: Any) -> Any:  # noqa: ANN401
        """One call; fails where it is refused."""
        client = self._node.create_client(kind, name)
        if not client.wait_for_service(30):
            raise RuntimeError(f"{name}: no such service")
        future = client.call_async(request)
        rclpy.spin_until_future_complete(self._node, future, timeout_sec=120)
        answer = future.result()
        if answer is None or not answer.success:
            raise RuntimeError(f"{name}: {answer}")
        return answer


def _peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1000
    return float("nan")
