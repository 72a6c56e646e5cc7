"""Executable `estimator`: has finished sessions estimated, and tells how far it is."""

from typing import NoReturn

from rig_capture_msgs.msg import EstimateEvent, EstimatorStatus

from rig_capture.estimation.sessions.report import ESTIMATING, EstimatorReport, Outcome
from rig_capture.estimation.sessions.worker import EstimateWorker
from rig_capture.health.catalogue import ESTIMATE_FAILING
from rig_capture.nodes.common.base import run_node, state_qos
from rig_capture.nodes.common.diagnosis import OK, WARN
from rig_capture.nodes.common.session_work import SessionWorkNode
from rig_capture.profiles.places import estimator_file
from rig_capture.profiles.settings.estimation import EstimatorParameters


class EstimatorNode(SessionWorkNode[EstimatorParameters, EstimateWorker]):
    """The ROS edge of `EstimateWorker`: events in, status and results out, two services."""

    settings_type = EstimatorParameters
    task = "Estimates"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._status = self.create_publisher(EstimatorStatus, "estimator/status", state_qos())
        self._events = self.create_publisher(EstimateEvent, "estimate_event", state_qos(50))
        notes = estimator_file(self.get_namespace(), self.context.get_domain_id())
        self.worker = EstimateWorker(self.settings, notes, self._publish, self._tell)
        self.attend("estimator", "pauses after the current batch of frames", "trying again what was given up, and looking at the disk")

    def start(self) -> None:
        self._publish(self.worker.report())
        self.worker.start()

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

    def every_second(self) -> None:
        super().every_second()
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
        self.publish_stamped(self._status, message)

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
        self.publish_stamped(self._events, message)


def make_node(name: str) -> EstimatorNode:
    """The node, not yet started."""
    return EstimatorNode(name)


def main() -> NoReturn:
    """Entry point."""
    run_node(lambda: make_node("estimator"))


if __name__ == "__main__":
    main()
