"""Executable `clock`: this host's clock against a reference host's, and the service that lets others do the same.

The reference is a clock node on another host: `/rig/clock` is asked on `/rig/clock_probe`. So several may share a namespace.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from rclpy.task import Future
from rig_capture_msgs.msg import ClockStatus, RecorderStatus
from rig_capture_msgs.srv import ClockProbe

from rig_capture.nodes.common.base import RigNode, run_node, state_qos, time_message
from rig_capture.nodes.common.diagnosis import OK, WARN
from rig_capture.nodes.common.every import Every
from rig_capture.profiles.host import host_name
from rig_capture.profiles.settings.machine import ClockSettings
from rig_capture.sensing.clock import Exchange, best_exchange, boot_id
from rig_capture.sensing.ntp import ClockUnknown, read_ntp

RETRY_S = 1.0
"""A reference that does not answer is asked again so soon: it may be about to start."""

_SUFFIX = "_probe"
_FRESH = 0.25
"""Share of the interval for which a measurement is good for the start of a recording."""


def probe_service(reference: str) -> str:
    """Full name of the service of a reference, given as a clock node's or as the service's own."""
    return reference if reference.endswith(_SUFFIX) else reference + _SUFFIX


class ClockNode(RigNode[ClockSettings]):
    """Publishes `clock_status` and serves its probe. Measuring is short callbacks; a thread asks what keeps the clock right."""

    settings_type = ClockSettings
    task = "Clock"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        reference = self.settings.reference
        self._boot_id = boot_id()
        self._publisher = self.create_publisher(ClockStatus, "clock_status", state_qos())
        self.create_service(ClockProbe, f"{self.get_name()}{_SUFFIX}", self._answer)
        self._series = ProbeSeries(self, probe_service(reference), self._publish) if reference else None
        self._timer = self.create_timer(min(self.settings.interval_s, RETRY_S), self._look)
        self._best: Exchange | None = None
        self._answered = 0
        self._recorder_states: dict[str, str] = {}
        self._looked = 0.0
        # Recordings are begun and ended by the recorder of this host, or by the one beside the reference.
        beside = [f"{reference.rpartition('/')[0]}/recorder/status"] if reference else []
        for topic in {self.resolve_topic_name("recorder/status"), *beside}:
            self.create_subscription(RecorderStatus, topic, partial(self._hear_recorder, topic), state_qos())
        self._source: dict[str, object] = {}
        self._source_due = 0.0
        self._sources = Every("clock-source", RETRY_S, self._look_at_source)

    def start(self) -> None:
        self._look()
        if self.settings.source:
            self._sources.start()

    def stop(self) -> None:
        if self._series is not None:
            self._series.cancel()
        self._sources.stop()
        self.check()

    def check(self) -> None:
        self._sources.check()

    def settings_changed(self, before: ClockSettings) -> None:
        self._timer.timer_period_ns = round(min(self.settings.interval_s, RETRY_S) * 1e9)
        self._timer.reset()
        if self._series is not None:
            self._series.settings_changed()

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        reference = self.settings.reference
        values = {"reference": reference, **self._source}
        if not reference:
            return OK, "this host is the reference", values
        if self._best is None or self._answered == 0:
            return WARN, f"{reference} does not answer; start it there, or check the network and the setting `reference`", values
        offset_ms, round_trip_ms = self._best.offset_ns / 1e6, self._best.round_trip_ns / 1e6
        values |= {"offset_ms": f"{offset_ms:.3f}", "round_trip_ms": f"{round_trip_ms:.3f}", "probes": self._answered}
        return OK, f"{-offset_ms:+.3f} ms from {reference}, to {round_trip_ms / 2:.3f} ms", values

    def _look(self) -> None:
        self._looked = time.monotonic()
        if self._series is None:
            self._publish([])
        else:
            self._series.begin()

    def _look_at_source(self) -> None:
        now = time.monotonic()
        if now < self._source_due:
            return
        self._source_due = now + self.settings.interval_s
        try:
            reading = read_ntp(self.settings.timeout_s)
        except ClockUnknown as error:
            self._source = {"source": str(error)}
            return
        self._source = {"source": reading.source, "synchronised": reading.synchronised}
        if reading.offset_s is not None:
            self._source["source_offset_ms"] = f"{reading.offset_s * 1e3:.6f}"

    def _hear_recorder(self, topic: str, status: RecorderStatus) -> None:
        before, self._recorder_states[topic] = self._recorder_states.get(topic), status.state
        if status.state == before:
            return
        is_fresh = time.monotonic() - self._looked < _FRESH * self.settings.interval_s
        if status.state == RecorderStatus.STOPPING or (status.state == RecorderStatus.RECORDING and not is_fresh):
            self._look()

    def _answer(self, request: ClockProbe.Request, response: ClockProbe.Response) -> ClockProbe.Response:
        response.t2_ns = self.now_ns()
        response.t3_ns = self.now_ns()
        return response

    def _publish(self, exchanges: list[Exchange]) -> None:
        """Publishes the state after a series; where nobody answered, the last offset stands, with `probes` 0."""
        self._best = best_exchange(exchanges) or self._best
        self._answered = len(exchanges)
        heard = bool(exchanges) or self._series is None
        self._timer.timer_period_ns = round((self.settings.interval_s if heard else min(self.settings.interval_s, RETRY_S)) * 1e9)
        status = ClockStatus(
            host=host_name(),
            boot_id=self._boot_id,
            reference=self.settings.reference,
            offset_ns=self._best.offset_ns if self._best else 0,
            round_trip_ns=self._best.round_trip_ns if self._best else 0,
            probes=self._answered,
            method="ntp_exchange" if self.settings.reference else "reference",
        )
        status.header.stamp = time_message(self._best.t4_ns if exchanges and self._best else self.now_ns())
        self._publisher.publish(status)


class ProbeSeries:
    """Asks a reference a number of times in a row, one question at a time."""

    def __init__(self, node: RigNode[ClockSettings], service: str, on_end: Callable[[list[Exchange]], None]) -> None:
        """Asks nothing before `begin`.

        Args:
            node: for clock, client and timer; its settings say how often and how long.
            service: full name of the reference's service.
            on_end: called with all exchanges that were answered.
        """
        self._node = node
        self._on_end = on_end
        self._client = node.create_client(ClockProbe, service)
        # A timer that never fires by itself: reset with each question, cancelled with its answer.
        self._timeout = node.create_timer(node.settings.timeout_s, self._timed_out, autostart=False)
        self._exchanges: list[Exchange] = []
        self._left = 0
        self._pending: Future | None = None

    def begin(self) -> None:
        """Begins a series, unless one is on its way."""
        if self._pending is None:
            self._exchanges = []
            self._left = self._node.settings.probes
            self._ask()

    def settings_changed(self) -> None:
        """Waits for answers as long as the settings say now."""
        self._timeout.timer_period_ns = round(self._node.settings.timeout_s * 1e9)

    def cancel(self) -> None:
        """Forgets the question that is out."""
        self._timeout.cancel()
        pending, self._pending = self._pending, None
        if pending is not None:
            self._client.remove_pending_request(pending)

    def _ask(self) -> None:
        if self._left == 0 or not self._client.service_is_ready():
            self._on_end(self._exchanges)
            return
        self._left -= 1
        self._timeout.reset()
        t1_ns = self._node.now_ns()
        self._pending = self._client.call_async(ClockProbe.Request(t1_ns=t1_ns))
        self._pending.add_done_callback(partial(self._answered, t1_ns))

    def _answered(self, t1_ns: int, future: Future) -> None:
        t4_ns = self._node.now_ns()
        if self._pending is None or future is not self._pending:
            return  # too late: its time-out has passed
        self._timeout.cancel()
        self._pending = None
        answer: ClockProbe.Response = future.result()
        self._exchanges.append(Exchange(t1_ns, answer.t2_ns, answer.t3_ns, t4_ns))
        self._ask()

    def _timed_out(self) -> None:
        self.cancel()
        if not self._exchanges:
            self._left = 0  # nobody there: don't wait out every question of the series
        self._ask()


def make_node(name: str) -> ClockNode:
    """The node, for `group`."""
    return ClockNode(name)


def main() -> NoReturn:
    """Entry point."""
    run_node(lambda: make_node("clock"))


if __name__ == "__main__":
    main()
