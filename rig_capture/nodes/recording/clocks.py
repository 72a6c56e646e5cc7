"""The clocks of the rig's hosts, for the sessions that are recorded: what was measured of each, and which one stamps which stream."""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rig_capture_msgs.msg import ClockStatus

from rig_capture.nodes.common.diagnosis import NodeReport
from rig_capture.nodes.common.qos import publishers_of, state_qos
from rig_capture.recorder.recording import Recording
from rig_capture.recorder.streams import StreamSpec
from rig_capture.session.clocks import ClockEntry, ClockReading

CLOCK_STATUS = "rig_capture_msgs/msg/ClockStatus"

_FRESH_S = 60.0
"""What was measured no longer ago counts for the start of a recording."""


@dataclass(frozen=True)
class _Said:
    """What a clock node said last, and when."""

    entry: ClockEntry
    reading: ClockReading | None
    heard: float

    @property
    def was_answered(self) -> bool:
        return self.entry.method == "ntp_exchange" and self.reading is not None


class HostClocks:
    """Hears clock nodes from its beginning to the node's end; a recording gets what is known at its start, and what comes."""

    def __init__(self, node: Node, streams: Iterable[StreamSpec]) -> None:
        """Hears those among the rig's streams that tell of clocks."""
        self._node = node
        self._last: dict[str, _Said] = {}
        self._sources: dict[str, tuple[str, bool | None]] = {}
        self._hosts: dict[str, str] = {}
        self._recording: Recording | None = None
        self._changed = threading.Condition()
        group = MutuallyExclusiveCallbackGroup()
        for topic in dict.fromkeys(spec.topic for spec in streams if spec.type == CLOCK_STATUS):
            # Deep enough for the hosts that share it.
            node.create_subscription(ClockStatus, topic, self._hear, state_qos(100), callback_group=group)

    def begin(self, recording: Recording) -> None:
        """A recording takes what is known, and what comes."""
        with self._changed:
            self._recording = recording
            for host, said in self._last.items():
                is_fresh = time.monotonic() - said.heard < _FRESH_S
                recording.clocks.hear(host, said.entry, said.reading if is_fresh else None)
            for host, (source, synchronised) in self._sources.items():
                recording.clocks.hear_source(host, source, synchronised)
        self.place(recording)

    def end(self, timeout_s: float) -> None:
        """Waits for the measurements that the hosts make at the stop, but for none that was silent before; nothing is taken after."""
        since = time.monotonic()
        with self._changed:
            recording = self._recording
            awaited = [host for host, said in self._last.items() if said.was_answered]
            self._changed.wait_for(lambda: all(self._last[host].heard >= since for host in awaited), timeout_s)
            self._recording = None
        if recording is not None:
            self.place(recording)

    def hear_reports(self, reports: Mapping[str, NodeReport]) -> None:
        """Takes the diagnostics of nodes: on which host each is, and of clock nodes what keeps their clock right."""
        with self._changed:
            new = {
                name: host for name, report in reports.items() if (host := report.values.get("host", "")) and self._hosts.get(name) != host
            }
            self._hosts |= new
            recording = self._recording
            for report in reports.values():
                host, source = report.values.get("host", ""), report.values.get("source", "")
                if host and source:
                    synchronised = {"True": True, "False": False}.get(report.values.get("synchronised", ""))
                    self._sources[host] = source, synchronised
                    if recording is not None:
                        recording.clocks.hear_source(host, source, synchronised)
        if new and recording is not None:
            self.place(recording)

    def place(self, recording: Recording) -> None:
        """Notes of each stream which host publishes it, where all its publishers are known and on one host."""
        for counter in recording.counters:
            publishers = publishers_of(self._node, self._node.resolve_topic_name(counter.spec.topic))
            names = [f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}" for publisher in publishers]
            hosts = {self._hosts.get(name, "") for name in names}
            if hosts and "" not in hosts:
                counter.host = hosts.pop() if len(hosts) == 1 else ""

    def _hear(self, status: ClockStatus) -> None:
        method = "reference" if status.method == "reference" else "ntp_exchange"
        entry = ClockEntry(method=method, reference=status.reference, boot_id=status.boot_id)
        reading = None
        if method == "ntp_exchange" and status.probes:
            at_ns = status.header.stamp.sec * 10**9 + status.header.stamp.nanosec
            reading = ClockReading(at_ns=at_ns, offset_ns=status.offset_ns, round_trip_ns=max(0, status.round_trip_ns))
        with self._changed:
            self._last[status.host] = _Said(entry, reading, time.monotonic())
            if self._recording is not None:
                self._recording.clocks.hear(status.host, entry, reading)
            self._changed.notify_all()
