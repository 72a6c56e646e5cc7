"""Health events of a node, on `health`: a problem when it begins, and once more when it is over."""

import json
import threading
import time
from collections.abc import Mapping

from builtin_interfaces.msg import Time
from pydantic import JsonValue
from pydantic_core import to_json
from rclpy.node import Node
from rig_capture_msgs.msg import HealthEvent

from rig_capture.health.catalogue import Code
from rig_capture.health.events import Event, Severity
from rig_capture.health.tracker import AT_ONCE, Change, Hold, ProblemTracker
from rig_capture.nodes.common.qos import state_qos

TOPIC = "health"
DEPTH = 50
"""Events that also reach who comes late."""


class HealthReporter:
    """Tells each problem of a node once when it begins and once when it ends. Safe from any thread; publishes only changes.

    Every `RigNode` has one, as `health`. It is told what is so as often as one likes:

        from rig_capture.health.catalogue import AUDIO_CLIPPING, AUDIO_OVERRUN
        from rig_capture.health.tracker import Above, Hold

        too_loud = Above(on=-1.0, off=-3.0).passed(peak_dbfs, is_open=self.health.is_open(AUDIO_CLIPPING, "1"))
        self.health.set(AUDIO_CLIPPING, "1", problem=too_loud, message="channel 1 clips at -0.2 dBFS; turn its gain down",
                        evidence={"peak_dbfs": peak_dbfs}, hold=Hold(on_s=0.0, off_s=10.0))
        self.health.tell(AUDIO_OVERRUN, message="12 samples were lost")  # an incident: over as soon as it is told

    The message says what is so now; it is used where the problem begins, and, given with `problem=False`, where it ends. Holds
    are judged at each call, so what has holds is to be set regularly. Family and severity come from the catalogue
    (`rig_capture/health/catalogue.py`), where new codes are added.
    """

    def __init__(self, node: Node) -> None:
        """Publishes nothing yet; `node` is named in the events."""
        self._node = node
        self._publisher = node.create_publisher(HealthEvent, TOPIC, state_qos(DEPTH))
        self._tracker = ProblemTracker()
        self._begun: dict[tuple[str, str], Code] = {}
        self._lock = threading.Lock()
        self._closed = False

    def set(
        self,
        code: Code,
        subject: str = "",
        *,
        problem: bool,
        message: str = "",
        evidence: Mapping[str, JsonValue] | None = None,
        severity: Severity | None = None,
        hold: Hold = AT_ONCE,
    ) -> bool:
        """Says whether a problem is there now.

        Args:
            code: which one.
            subject: what it befell, such as a channel or a topic; empty: the node itself.
            problem: whether it is there.
            message: what is so, to what, and what to do.
            evidence: what was measured.
            severity: instead of the code's own.
            hold: how long it must last, and be away, to count.

        Returns:
            Whether it began or ended with this.
        """
        with self._lock:
            change = self._tracker.observe((code.name, subject), problem=problem, now=time.monotonic(), hold=hold)
            if change is not None:
                self._tell_change(change, code, message, evidence or {}, severity)
            return change is not None

    def tell(
        self,
        code: Code,
        subject: str = "",
        *,
        message: str,
        evidence: Mapping[str, JsonValue] | None = None,
        severity: Severity | None = None,
    ) -> Event:
        """Tells an incident, which has no recovery; each call is an event, which is returned."""
        with self._lock:
            return self._publish(code, subject, code.severity if severity is None else severity, message, evidence or {}, recovered=False)

    def publish(self, event: Event) -> None:
        """Publishes an event as it is, also one of another node."""
        with self._lock:
            if not self._closed:
                self._publisher.publish(message_of(event))

    def is_open(self, code: Code, subject: str = "") -> bool:
        """Whether a problem has begun and not ended."""
        with self._lock:
            return self._tracker.is_open((code.name, subject))

    def clear(self, code: Code, message: str) -> None:
        """Ends all problems of a code, since what they befell is no longer looked at; `message` says why."""
        with self._lock:
            self._end([key for key in self._tracker.open if key[0] == code.name], message)

    def close(self) -> None:
        """Ends all problems, since the node is ending; later calls do nothing."""
        with self._lock:
            self._end(self._tracker.open, "")
            self._closed = True

    def _end(self, keys: list[tuple[str, str]], message: str) -> None:
        for key in keys:
            change = self._tracker.end(key, time.monotonic())
            assert change is not None
            self._tell_change(change, self._begun[key], message or "no longer looked at: the node is ending", {}, None)

    def _tell_change(self, change: Change, code: Code, message: str, evidence: Mapping[str, JsonValue], severity: Severity | None) -> None:
        _, subject = change.key
        if change.recovered:
            self._begun.pop(change.key, None)
            text = message or f"{subject or self._node.get_name()}: over after {change.lasted_s:.1f} s: {code.meaning}"
            self._publish(code, subject, Severity.INFO, text, {**evidence, "lasted_s": round(change.lasted_s, 3)}, recovered=True)
            return
        self._begun[change.key] = code
        self._publish(code, subject, code.severity if severity is None else severity, message or code.meaning, evidence, recovered=False)

    def _publish(
        self, code: Code, subject: str, severity: Severity, message: str, evidence: Mapping[str, JsonValue], *, recovered: bool
    ) -> Event:
        event = Event(
            stamp_ns=self._node.get_clock().now().nanoseconds,
            node=self._node.get_fully_qualified_name(),
            family=code.family,
            code=code.name,
            subject=subject,
            severity=severity,
            message=message,
            recovered=recovered,
            evidence=evidence,
        )
        if not self._closed:
            self._publisher.publish(message_of(event))
        return event


def message_of(event: Event) -> HealthEvent:
    """An event as it is published; its subject stands in the evidence."""
    message = HealthEvent(
        node=event.node,
        family=event.family,
        code=event.code,
        severity=int(event.severity),
        message=event.message,
        recovered=event.recovered,
        # NaN, which stands for what is not known, is no JSON.
        evidence=to_json(({"subject": event.subject} if event.subject else {}) | dict(event.evidence), inf_nan_mode="null").decode(),
    )
    message.header.stamp = Time(sec=event.stamp_ns // 10**9, nanosec=event.stamp_ns % 10**9)
    return message


def event_of(message: HealthEvent) -> Event:
    """A published event; evidence that is no JSON object, and a severity that is unknown, are kept as far as they can be."""
    try:
        evidence = json.loads(message.evidence or "{}")
    except ValueError:
        evidence = {"evidence": message.evidence}
    if not isinstance(evidence, dict):
        evidence = {"evidence": evidence}
    subject = evidence.pop("subject", "")
    return Event(
        stamp_ns=message.header.stamp.sec * 10**9 + message.header.stamp.nanosec,
        node=message.node,
        family=message.family,
        code=message.code,
        subject=str(subject),
        severity=Severity(min(message.severity, Severity.ERROR)),
        message=message.message,
        recovered=message.recovered,
        evidence=evidence,
    )
