"""Nodes in processes of their own, and an ear that hears what they publish."""

import contextlib
import functools
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

from rig_capture.nodes.common.base import data_qos
from rig_capture.nodes.common.diagnosis import NodeReport, node_reports

_keepers: list[Node] = []
_numbers = itertools.count()


def fresh_namespace() -> str:
    """A namespace that no other test uses, also where two have the same ROS domain."""
    return f"/t{os.getpid()}_{next(_numbers)}"


class NodeProcess:
    """One executable in a process."""

    def __init__(self, executable: str, namespace: str, log: Path, arguments: list[str], environment: dict[str, str]) -> None:
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"rig_capture.nodes.{executable}", *arguments, "-r", f"__ns:={namespace}"],
                env=os.environ | environment,
                stdout=stderr,
                stderr=stderr,
            )

    @property
    def said(self) -> str:
        """All it wrote."""
        return self.log.read_text()

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, float]:
        """Signals it and waits.

        Returns:
            Exit code, and how many seconds its end took.
        """
        begin = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(20)
        return code, time.monotonic() - begin

    def kill(self) -> None:
        """Kills it where it still runs."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Ends it where it still runs, in order: others would take a killed one for alive for 20 s more, and go on speaking to it."""
        end_or_kill(self.process)


def end_or_kill(process: "subprocess.Popen[Any]") -> None:
    """Asks a process to end, and kills it where it does not."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@functools.cache
def _context_of_all() -> Context:
    """One DDS participant for all tests of this process, kept to its end by a node of its own.

    Fast DDS may take down a process that gives up a port of shared memory which it once had in common with one that was killed;
    tests kill many.
    """
    context = Context()
    rclpy.init(context=context)
    _keepers.append(rclpy.create_node(f"keeper_{os.getpid()}", context=context))
    return context


class Ear:
    """Subscriptions in a context of their own; everything is heard in the test's own thread, inside `until`."""

    def __init__(self) -> None:
        context = _context_of_all()
        self.node = rclpy.create_node(f"ear_{os.getpid()}_{next(_numbers)}", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)

    def hear(self, message_type: Any, topic: str, qos: QoSProfile | None = None) -> list[Any]:
        """A list that grows with each message."""
        heard: list[Any] = []
        self.node.create_subscription(message_type, topic, heard.append, qos or data_qos(2000))
        return heard

    def hear_numbered(self, message_type: Any, topic: str) -> list[tuple[Any, int]]:
        """A list that grows with each message and its publication sequence number."""
        heard: list[tuple[Any, int]] = []

        def take(message: Any, info: dict[str, int]) -> None:
            heard.append((message, info["publication_sequence_number"]))

        self.node.create_subscription(message_type, topic, take, data_qos(2000))
        return heard

    def diagnosis(self, namespace: str, name: str) -> Callable[[], DiagnosticStatus | None]:
        """Gives what a node said last of itself, all its tasks in one."""
        arrays = self.hear(DiagnosticArray, "/diagnostics")
        full_name = f"{namespace}/{name}"
        return lambda: next(
            (_status(reports[full_name]) for array in reversed(arrays) if full_name in (reports := node_reports(array))), None
        )

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
        """Listens until a condition holds; fails the test where it does not in time."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what}: not within {timeout_s:g} s")
            self._executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        """Destroys everything."""
        self._executor.shutdown()
        self.node.destroy_node()


@contextlib.contextmanager
def running(
    executable: str,
    namespace: str,
    tmp_path: Path,
    parameters: Mapping[str, object] | None = None,
    *,
    name: str = "",
    nodes: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
) -> Iterator[NodeProcess]:
    """A node while the block runs; ended with it where the test did not end it.

    Args:
        executable: such as ``audio``.
        namespace: of the node or nodes.
        tmp_path: for its log.
        parameters: its settings.
        name: of the node; by default the executable's.
        nodes: for ``group``: which nodes it holds.
        environment: variables beside the test's own.
    """
    arguments = [*nodes, "--ros-args"]
    if name:
        arguments += ["-r", f"__node:={name}"]
    for key, value in (parameters or {}).items():
        arguments += ["-p", f"{key}:={str(value).lower() if isinstance(value, bool) else value}"]
    node = NodeProcess(executable, namespace, tmp_path / f"{executable}_{next(_numbers)}.log", arguments, environment or {})
    try:
        yield node
    finally:
        node.close()


def _status(report: NodeReport) -> DiagnosticStatus:
    values = [KeyValue(key=key, value=value) for key, value in report.values.items()]
    return DiagnosticStatus(level=bytes([report.level]), name=report.name, message=report.message, values=values)


def stamp_ns(message: Any) -> int:
    """A message's stamp in ns since the epoch."""
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
