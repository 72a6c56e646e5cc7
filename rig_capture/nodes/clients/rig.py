"""What programs without ROS of their own use of a rig: its diagnostics, its status topics, its services.

No ROS message leaves this module. A client has its own context, node and executor thread; several may live in one process.
"""

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rig_capture_msgs.msg import RecorderStatus, SessionComplete, UploaderStatus
from rig_capture_msgs.msg import RigStatus as RigStatusMessage
from rig_capture_msgs.srv import CancelRecording, StartRecording, StopRecording, TriggerRecording

from rig_capture.nodes.clients.calls import call
from rig_capture.nodes.clients.errors import NoAnswer, Refused
from rig_capture.nodes.clients.reports import (
    RecorderReport,
    RecordingReport,
    SessionReport,
    UploaderReport,
    recorder_report,
    uploader_report,
)
from rig_capture.nodes.common.base import data_qos, state_qos
from rig_capture.nodes.common.diagnosis import TOPIC, NodeReport, node_reports
from rig_capture.nodes.overview.rig_status import TOPIC as STATUS_TOPIC
from rig_capture.nodes.overview.rig_status import RigStatus, status_of
from rig_capture.owned_thread import OwnedThread

T = TypeVar("T")


@dataclass
class _Heard:
    """What the rig said so far; guarded by `changed`."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    nodes: dict[str, tuple[float, NodeReport]] = field(default_factory=dict)
    recorder: RecorderReport | None = None
    uploader: UploaderReport | None = None
    status: RigStatus | None = None
    sessions: dict[str, SessionReport] = field(default_factory=dict)


class RigClient:
    """A context manager that hears and asks the nodes of one rig.

    Args:
        namespace: of the rig; empty: the root.
        domain_id: ROS_DOMAIN_ID of the rig; -1: that of the environment.
        variables: by which DDS finds the rig (`dds_variables`), beside those of the environment.
        own_namespace: where the nodes are that this machine of the rig has for itself; empty: in the rig's.
    """

    def __init__(
        self,
        namespace: str = "",
        domain_id: int = -1,
        *,
        variables: Mapping[str, str] | None = None,
        own_namespace: str = "",
    ) -> None:
        self._namespace = "/" + namespace.strip("/")
        self._own = "/" + own_namespace.strip("/") if own_namespace else self._namespace
        self._domain_id = None if domain_id < 0 else domain_id
        self._variables = dict(variables or {})
        self._heard = _Heard()
        self._spinning = False

    def __enter__(self) -> Self:
        self._context = Context()
        with _environment(self._variables):
            # No handlers: the program that uses this decides what a signal means.
            rclpy.init(args=[], context=self._context, domain_id=self._domain_id, signal_handler_options=SignalHandlerOptions.NO)
            self._node = Node(
                f"rig_client_{os.getpid()}_{id(self) % 10**6}",
                namespace=self._namespace,
                context=self._context,
                use_global_arguments=False,
                enable_rosout=False,
                start_parameter_services=False,
            )
        group = ReentrantCallbackGroup()
        self._node.create_subscription(DiagnosticArray, TOPIC, self._hear_diagnostics, data_qos(50))
        self._node.create_subscription(RecorderStatus, "recorder/status", self._hear_recorder, state_qos())
        own = self._own.rstrip("/")
        self._node.create_subscription(UploaderStatus, f"{own}/uploader/status", self._hear_uploader, state_qos())
        self._node.create_subscription(RigStatusMessage, f"{own}/{STATUS_TOPIC}", self._hear_status, state_qos())
        self._node.create_subscription(SessionComplete, "session_complete", self._hear_session, state_qos(50))
        self._services = {
            name: self._node.create_client(kind, name, callback_group=group)
            for name, kind in (
                ("start_recording", StartRecording),
                ("stop_recording", StopRecording),
                ("cancel_recording", CancelRecording),
                ("trigger_recording", TriggerRecording),
            )
        }
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._spinning = True
        self._thread = OwnedThread("rig_client", self._spin, self._died)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._spinning = False
        # Work of some kind: executor.wake() alone does not let spin_once return.
        self._executor.create_task(lambda: None)
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)
        if error is None:
            self._thread.check()

    def wait_for_nodes(self, names: Collection[str], timeout_s: float) -> set[str]:
        """Waits until all nodes of these full names reported themselves; returns those that have not yet."""
        self._wait(lambda heard: set(names) <= set(heard.nodes) or None, timeout_s)
        with self._heard.changed:
            return set(names) - set(self._heard.nodes)

    def diagnostics(self) -> dict[str, NodeReport]:
        """The last report of each node heard since this client was entered, by full name."""
        now = time.monotonic()
        with self._heard.changed:
            return {name: replace(report, age_s=now - heard_at) for name, (heard_at, report) in self._heard.nodes.items()}

    def recorder_status(self, timeout_s: float = 5.0) -> RecorderReport:
        """The recorder's last status. Raises NoAnswer where none comes in time."""
        return self._required(self._wait(lambda heard: heard.recorder, timeout_s), "recorder", timeout_s)

    def uploader_status(self, timeout_s: float = 5.0) -> UploaderReport:
        """The uploader's last status. Raises NoAnswer where none comes in time."""
        return self._required(self._wait(lambda heard: heard.uploader, timeout_s), "uploader", timeout_s)

    def rig_status(self, timeout_s: float = 5.0) -> RigStatus:
        """The last status of the machine. Raises NoAnswer where none comes in time."""
        return self._required(self._wait(lambda heard: heard.status, timeout_s), "status node", timeout_s)

    def wait_for_session(self, recording_id: str, timeout_s: float) -> SessionReport | None:
        """Waits until a recording has ended and its completion mark is on disk; None where it did not in time."""
        return self._wait(lambda heard: heard.sessions.get(recording_id), timeout_s)

    def wait_for_upload(self, recording_id: str, timeout_s: float) -> UploaderReport:
        """Waits until a recording reached store and catalog.

        Raises:
            NoAnswer: it did not in time; the message says what the uploader said last.
        """

        def arrived(heard: _Heard) -> UploaderReport | None:
            return heard.uploader if heard.uploader is not None and recording_id in heard.uploader.ingested else None

        report = self._wait(arrived, timeout_s)
        if report is not None:
            return report
        with self._heard.changed:
            last = self._heard.uploader
        said = "it never said anything" if last is None else f"it is {last.state}: {last.last_error or last.detail or 'no detail'}"
        raise NoAnswer(f"the uploader did not bring {recording_id} into the store within {timeout_s:g} s; {said}")

    def start_recording(
        self,
        *,
        label: str = "",
        participant: str = "",
        testing_mode: bool = False,
        duration_s: float = 0.0,
        topics: Sequence[str] = (),
        timeout_s: float = 60.0,
    ) -> RecordingReport:
        """Starts a recording; returns when every required device is being written.

        Raises:
            Refused: the recorder says why not.
            NoAnswer: there is no recorder, or it did not answer in time.
        """
        request = StartRecording.Request(
            label=label, participant=participant, testing_mode=testing_mode, duration_s=float(duration_s), topics=list(topics)
        )
        return self._ask("start_recording", request, timeout_s)

    def stop_recording(self, timeout_s: float = 120.0) -> RecordingReport:
        """Stops the recording; returns when its files are closed on the disk. Raises Refused, NoAnswer.

        The message is `complete` where its completion mark is there too; else `wait_for_session` waits for that.
        """
        return self._ask("stop_recording", StopRecording.Request(), timeout_s)

    def cancel_recording(self, keep: bool = False, timeout_s: float = 120.0) -> RecordingReport:
        """Ends the recording without uploading it; its data is removed unless kept. Raises Refused, NoAnswer."""
        return self._ask("cancel_recording", CancelRecording.Request(keep_data=keep), timeout_s)

    def trigger_recording(
        self, *, label: str = "", lookback_s: float = 0.0, lookahead_s: float = 0.0, timeout_s: float = 60.0
    ) -> RecordingReport:
        """Saves an event: the seconds before now that the recorder still has, and those to come; returns at once.

        Args:
            label: of the event.
            lookback_s: seconds before; 0: as the profile says; negative: none.
            lookahead_s: seconds after; 0: as the profile says.
            timeout_s: longest wait for the answer.

        Raises:
            Refused: the recorder says why not.
            NoAnswer: there is no recorder, or it did not answer in time.
        """
        request = TriggerRecording.Request(label=label, lookback_s=float(lookback_s), lookahead_s=float(lookahead_s))
        return self._ask("trigger_recording", request, timeout_s)

    def _ask(self, name: str, request: object, timeout_s: float) -> RecordingReport:
        response = call(
            self._services[name],
            request,
            offered_s=min(timeout_s, 10.0),
            answered_s=timeout_s,
            hint=lambda: "is a rig with a recorder up? (`rig status` tells)",
            log="the recorder's log",
        )
        if not response.success:
            raise Refused(response.message)
        return RecordingReport(
            recording_id=response.recording_id,
            path=getattr(response, "path", ""),
            message=response.message,
            duration_s=getattr(response, "duration_s", 0.0),
            bytes=getattr(response, "bytes", 0),
        )

    def _wait(self, look: Callable[[_Heard], T | None], timeout_s: float) -> T | None:
        found: list[T] = []

        def seen() -> bool:
            result = look(self._heard)
            if result is not None:
                found.append(result)
            return bool(found) or self._thread.failure is not None

        with self._heard.changed:
            self._heard.changed.wait_for(seen, timeout_s)
        return found[0] if found else None

    def _required(self, report: T | None, node: str, timeout_s: float) -> T:
        if report is None:
            raise NoAnswer(f"the {node} said nothing within {timeout_s:g} s; is it part of the rig, and up? (`rig status` tells)")
        return report

    def _spin(self) -> None:
        while self._spinning:
            self._executor.spin_once()

    def _died(self, failure: BaseException) -> None:
        """Whoever waits need not wait any longer."""
        with self._heard.changed:
            self._heard.changed.notify_all()

    def _hear_diagnostics(self, message: DiagnosticArray) -> None:
        reports = node_reports(message, self._namespace) | node_reports(message, self._own)
        with self._heard.changed:
            self._heard.nodes |= {name: (time.monotonic(), report) for name, report in reports.items()}
            self._heard.changed.notify_all()

    def _hear_recorder(self, message: RecorderStatus) -> None:
        report = recorder_report(message)
        with self._heard.changed:
            self._heard.recorder = report
            self._heard.changed.notify_all()

    def _hear_session(self, message: SessionComplete) -> None:
        fields = {name: getattr(message, name) for name in SessionReport.__dataclass_fields__}
        with self._heard.changed:
            self._heard.sessions[message.recording_id] = SessionReport(**fields)
            self._heard.changed.notify_all()

    def _hear_status(self, message: RigStatusMessage) -> None:
        with self._heard.changed:
            self._heard.status = status_of(message, self._own)
            self._heard.changed.notify_all()

    def _hear_uploader(self, message: UploaderStatus) -> None:
        report = uploader_report(message)
        with self._heard.changed:
            self._heard.uploader = report
            self._heard.changed.notify_all()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets variables for as long as ROS needs to read them; an empty value leaves one as it is."""
    before = {name: os.environ.get(name) for name, value in variables.items() if value}
    os.environ.update({name: value for name, value in variables.items() if value})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
