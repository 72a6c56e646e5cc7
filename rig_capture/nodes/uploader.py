"""Executable `uploader`: brings complete sessions into the object store and the catalog."""

from typing import NoReturn

from rig_capture_msgs.msg import EstimateEvent, NetworkStatus, UploaderStatus

from rig_capture.delivery.uploader_report import UPLOADING, UploaderReport
from rig_capture.delivery.worker import UploadWorker
from rig_capture.health.catalogue import UPLOAD_FAILING
from rig_capture.nodes.common.base import run_node, state_qos
from rig_capture.nodes.common.diagnosis import OK, WARN
from rig_capture.nodes.common.session_work import SessionWorkNode
from rig_capture.profiles.settings.uploader import UploaderParameters


class UploaderNode(SessionWorkNode[UploaderParameters, UploadWorker]):
    """The ROS edge of `UploadWorker`: events in, status out, two services."""

    settings_type = UploaderParameters
    task = "Uploads"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._publisher = self.create_publisher(UploaderStatus, "uploader/status", state_qos())
        self.worker = UploadWorker(self.settings, self._publish)
        self.create_subscription(EstimateEvent, "estimate_event", lambda _: self.worker.wake(), state_qos(50))
        self._network_state = int(NetworkStatus.ONLINE)
        self.create_subscription(NetworkStatus, "network", self._network_status, state_qos())
        self.attend("uploader", "paused", "trying again what failed, and looking at the disk")

    def start(self) -> None:
        self._publish(self.worker.report())
        self.worker.start()

    def settings_changed(self, before: UploaderParameters) -> None:
        self.worker.update(self.settings)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        report = self.worker.report()
        values: dict[str, object] = {
            "state": report.state,
            "queued": report.queued,
            "sessions_done": report.sessions_done,
            "sessions_failed": report.sessions_failed,
            "bytes_uploaded": report.bytes_uploaded,
            "rate_bytes_s": f"{report.rate_bytes_s:.0f}",
        }
        if report.sessions_failed:
            return WARN, report.last_error, values
        return OK, report.detail or report.state, values

    def _network_status(self, status: NetworkStatus) -> None:
        # What failed for want of a network needn't wait for its next turn.
        if status.state > self._network_state:
            self.worker.retry()
        self._network_state = status.state

    def every_second(self) -> None:
        super().every_second()
        report = self.worker.report()
        failed = report.sessions_failed
        message = f"{failed} sessions could not be uploaded, and are tried again: {report.last_error}" if failed else ""
        self.health.set(UPLOAD_FAILING, problem=failed > 0, message=message, evidence={"sessions": failed})
        if report.state == UPLOADING:
            self._publish(report)

    def _publish(self, report: UploaderReport) -> None:
        message = UploaderStatus(
            state=report.state,
            detail=report.detail,
            store=report.store,
            catalog=report.catalog,
            queued=report.queued,
            sessions_done=report.sessions_done,
            sessions_failed=report.sessions_failed,
            current=report.current,
            current_bytes=report.current_bytes,
            current_total=report.current_total,
            bytes_uploaded=report.bytes_uploaded,
            rate_bytes_s=report.rate_bytes_s,
            last_error=report.last_error,
            ingested=list(report.ingested),
        )
        self.publish_stamped(self._publisher, message)


def make_node(name: str) -> UploaderNode:
    """The node, not yet started."""
    return UploaderNode(name)


def main() -> NoReturn:
    """Entry point."""
    run_node(lambda: make_node("uploader"))


if __name__ == "__main__":
    main()
