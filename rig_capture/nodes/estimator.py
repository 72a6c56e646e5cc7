"""Executable `estimator`: has finished sessions estimated, and tells how far it is."""

import sys
import threading

from rig_capture_msgs.msg import EstimateEvent, EstimatorStatus, RecorderStatus, SessionComplete
from std_srvs.srv import SetBool, Trigger

from rig_capture.estimation.sessions.report import ESTIMATING, EstimatorReport, Outcome
from rig_capture.estimation.sessions.worker import EstimateWorker
from rig_capture.health.catalogue import ESTIMATE_FAILING
from rig_capture.nodes.common.base import RigNode, run_node, state_qos
from rig_capture.nodes.common.diagnosis import OK, WARN
from rig_capture.profiles.places import estimator_file
from rig_capture.profiles.settings import EstimatorParameters

_NOT_RECORDING = frozenset({RecorderStatus.IDLE, RecorderStatus.ERROR})


class EstimatorNode(RigNode[EstimatorParameters]):
    """The ROS edge of `EstimateWorker`: events in, status and results out, two services."""

    settings_type = EstimatorParameters
    task = "Estimates"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._publishing = threading.Lock()
        self._status = self.create_publisher(EstimatorStatus, "estimator/status", state_qos())
        self._events = self.create_publisher(EstimateEvent, "estimate_event", state_qos(50))
        notes = estimator_file(self.get_namespace(), self.context.get_domain_id())
        self.worker = EstimateWorker(self.settings, notes, self._publish, self._tell)
        self.create_subscription(SessionComplete, "session_complete", lambda _: self.worker.wake(), state_qos(50))
        self.create_subscription(RecorderStatus, "recorder/status", self._recorder_status, state_qos())
        self.create_service(SetBool, "estimator/pause", self._pause)
        self.create_service(Trigger, "estimator/retry", self._retry)
        self.create_timer(1.0, self._every_second)

    def start(self) -> None:
        self._publish(self.worker.report())
        self.worker.start()

    def stop(self) -> None:
        self.worker.stop()

    def check(self) -> None:
        self.worker.check()

    def settings_changed(self, before: EstimatorParameters) -> None:
        self.worker.update(self.settings)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        report = self.worker.report()
        values: dict[str, object] = {
            "state": report.state,
            "model": report.model,
            "queued": report.queued,
            "streams_done": report.streams_done,
            "streams_failed": report.streams_failed,
            "current": ", ".join(report.current),
            "rate_frames_s": f"{report.rate_frames_s:.1f}",
        }
        return (WARN, report.last_error, values) if report.last_error else (OK, report.detail or report.state, values)

    def _recorder_status(self, status: RecorderStatus) -> None:
        self.worker.set_recording(status.state not in _NOT_RECORDING)

    def _pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.worker.set_paused(request.data)
        response.success = True
        response.message = "pauses after the current batch of frames" if request.data else "goes on"
        return response

    def _retry(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.worker.retry()
        response.success = True
        response.message = "trying again what was given up, and looking at the disk"
        return response

    def _every_second(self) -> None:
        if not self.count_publishers("recorder/status"):
            # A recorder that was killed never says that it stopped.
            self.worker.set_recording(False)
        report = self.worker.report()
        message = (
            f"{report.last_error}; `rig estimate SESSION` tries it by hand, estimator/retry all that failed" if report.last_error else ""
        )
        self.health.set(ESTIMATE_FAILING, problem=bool(report.last_error), message=message, evidence={"streams": report.streams_failed})
        if report.state == ESTIMATING:
            self._publish(report)

    def _publish(self, report: EstimatorReport) -> None:
        message = EstimatorStatus(
            state=report.state,
            detail=report.detail,
            model=report.model,
            workers=report.workers,
            queued=report.queued,
            streams_done=report.streams_done,
            streams_failed=report.streams_failed,
            current=list(report.current),
            current_frames=list(report.current_frames),
            current_total=list(report.current_total),
            rate_frames_s=report.rate_frames_s,
            last_error=report.last_error,
        )
        with self._publishing:
            message.header.stamp = self.get_clock().now().to_msg()
            self._status.publish(message)

    def _tell(self, outcome: Outcome) -> None:
        message = EstimateEvent(
            recording_id=outcome.recording_id,
            path=outcome.path,
            stream=outcome.stream,
            model=outcome.model,
            success=outcome.success,
            error=outcome.error,
            given_up=outcome.given_up,
            files=list(outcome.files),
            frames=outcome.frames,
            elapsed_s=outcome.elapsed_s,
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._events.publish(message)


def make_node(name: str) -> EstimatorNode:
    """The node, not yet started."""
    return EstimatorNode(name)


def main() -> int:
    """Entry point."""
    return run_node(lambda: make_node("estimator"))


if __name__ == "__main__":
    sys.exit(main())
