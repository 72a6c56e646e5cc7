"""How evenly a session is played, heard in another process than the player's."""

import importlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import rclpy
import typer
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from rig_capture.playback.session import PlayedSession

LIMIT_MS = 5.0
_TYPES = ("VideoPacket", "AudioChunk", "Imu", "CameraInfo")
"""Whose first field is a header; states that are latched are not among them."""
_PICTURES = {"image_raw": "sensor_msgs/msg/Image", "image_raw/compressed": "sensor_msgs/msg/CompressedImage"}
_STAMP = struct.Struct("<iI")


def main(
    session: Annotated[Path | None, typer.Argument(help="A session; none: one of the sim profile is recorded first.")] = None,
    seconds: Annotated[float, typer.Option(help="How long that recording is.")] = 20.0,
    raw: Annotated[
        bool, typer.Option("--raw", help="Also subscribe to raw pictures and previews of one camera, which are decoded then.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Play a session at rate 1 and measure how far each message comes off its time."""
    os.environ |= {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    with tempfile.TemporaryDirectory() as folder:
        path = session or _record(Path(folder), seconds)
        with PlayedSession(path) as opened:
            kinds = {source.topic: source.type for source in opened.sources if source.type.rpartition("/")[2] in _TYPES}
            cameras = [source.name for source in opened.sources if source.kind == "video"]
        pictures = {f"{cameras[0]}/{name}": kind for name, kind in _PICTURES.items()} if raw and cameras else {}
        rows = [_machine(), *_hear(path, kinds | pictures)]
    # Decoding takes its time, which is no jitter of what was recorded.
    well = all(row["p99_ms"] <= LIMIT_MS for row in rows if row["topic"] in kinds)
    if as_json:
        print(json.dumps({"limit_ms": LIMIT_MS, "well": well, "topics": rows}, indent=1))
    else:
        for row in rows:
            sent = f"  (sent: {row['sent_p99_ms']:.2f})" if "sent_p99_ms" in row else ""
            line = "{topic:32} {messages:6} messages  off by {p50_ms:.2f} ms (median)  {max_ms:.2f} (most)  {p99_ms:.2f} (99 %)"
            print(line.format(**row) + sent)
    raise typer.Exit(0 if well else 1)


def _machine() -> dict[str, Any]:
    """What the machine itself does to a thread that wants to wake every 5 ms."""
    changed = threading.Condition()
    begin = time.monotonic_ns()
    off = []
    for due in range(begin, begin + 5_000_000_000, 5_000_000):
        with changed:
            while (left_s := (due - time.monotonic_ns()) / 1e9) > 0:
                changed.wait(left_s)
        off.append((time.monotonic_ns() - due) / 1e6)
    return _statistics("(a sleeping thread)", np.array(off))


def _record(folder: Path, seconds: float) -> Path:
    command = [sys.executable, "-m", "rig_capture.cli", "capture", "-s", str(seconds), "-p", "sim", "--storage-path", str(folder), "--json"]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(json.loads(found.stdout)["path"])


def _hear(path: Path, kinds: dict[str, str]) -> list[dict[str, Any]]:
    """Statistics of each topic: how far from the topic's median delay its messages came."""
    rclpy.init(args=[])
    node = rclpy.create_node("bench_play", enable_rosout=False, start_parameter_services=False)
    qos = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=2000)
    subscriptions = {topic: node.create_subscription(_class(kind), topic, _never_called, qos, raw=True) for topic, kind in kinds.items()}
    heard: dict[str, list[tuple[int, int, int]]] = {topic: [] for topic in kinds}
    wait_set = _rclpy.WaitSet(len(subscriptions), 0, 0, 0, 0, 0, node.context.handle)
    command = [sys.executable, "-m", "rig_capture.cli", "play", str(path), "--delay", "3"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as player:
        while player.poll() is None:
            wait_set.clear_entities()
            for subscription in subscriptions.values():
                wait_set.add_subscription(subscription.handle)
            wait_set.wait(100_000_000)
            now = time.monotonic_ns()
            for topic, subscription in subscriptions.items():
                while (taken := subscription.handle.take_message(subscription.msg_type, True)) is not None:
                    seconds, nanoseconds = _STAMP.unpack_from(taken[0], 4)
                    heard[topic].append((now, taken[1]["source_timestamp"], seconds * 10**9 + nanoseconds))
    node.destroy_node()
    rclpy.shutdown()
    return [_row(topic, np.array(times)) for topic, times in heard.items() if times]


def _row(topic: str, times: np.ndarray) -> dict[str, Any]:
    heard, sent = ((times[:, column] - times[:, 2]) / 1e6 for column in (0, 1))
    p99 = np.percentile(np.abs(sent - np.median(sent)), 99)
    return _statistics(topic, np.abs(heard - np.median(heard))) | {"sent_p99_ms": round(p99, 3)}


def _statistics(topic: str, off: np.ndarray) -> dict[str, Any]:
    p50, p99 = np.percentile(off, [50, 99])
    return {"topic": topic, "messages": len(off), "p50_ms": round(p50, 3), "p99_ms": round(p99, 3), "max_ms": round(off.max(), 3)}


def _class(kind: str) -> type:
    package, _, name = kind.partition("/msg/")
    found: type = getattr(importlib.import_module(f"{package}.msg"), name)
    return found


def _never_called(message: bytes) -> None:
    """Messages are taken by hand."""
