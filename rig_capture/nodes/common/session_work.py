"""Nodes that work through the sessions on disk: woken by events, held back while something is recorded, paused and told to retry."""

import threading
from typing import Generic, Protocol, TypeVar

from rclpy.publisher import Publisher
from rig_capture_msgs.msg import RecorderStatus, SessionComplete
from std_srvs.srv import SetBool, Trigger

from rig_capture.nodes.common.base import RigNode, state_qos
from rig_capture.profiles.settings.base import Settings

S = TypeVar("S", bound=Settings)

_NOT_RECORDING = frozenset({RecorderStatus.IDLE, RecorderStatus.ERROR})


class SessionWorker(Protocol):
    """What does the work, in threads of its own."""

    def start(self) -> None:
        """Begins."""

    def stop(self) -> None:
        """Ends and joins; raises what a thread died of."""

    def check(self) -> None:
        """Raises what a thread died of."""

    def wake(self) -> None:
        """The disk is worth a look."""

    def retry(self) -> None:
        """What failed is to be tried again."""

    def set_paused(self, paused: bool) -> None:
        """Whether an operator holds it back."""

    def set_recording(self, recording: bool) -> None:
        """Whether something is recorded on this rig."""


W = TypeVar("W", bound=SessionWorker)


class SessionWorkNode(RigNode[S], Generic[S, W]):
    """The ROS edge of a `SessionWorker`; a node sets `worker`, then calls `attend`."""

    worker: W

    def attend(self, topic: str, paused: str, retried: str) -> None:
        """Subscribes to what the worker must know, and offers ``<topic>/pause`` and ``<topic>/retry``.

        Args:
            topic: of the services, such as ``uploader``.
            paused: what the answer says when it is paused.
            retried: and when it is told to try again.
        """
        self._publishing = threading.Lock()
        self._paused, self._retried = paused, retried
        self.create_subscription(SessionComplete, "session_complete", lambda _: self.worker.wake(), state_qos(50))
        self.create_subscription(RecorderStatus, "recorder/status", self._recorder_status, state_qos())
        self.create_service(SetBool, f"{topic}/pause", self._pause)
        self.create_service(Trigger, f"{topic}/retry", self._retry)

    def publish_stamped(self, publisher: Publisher, message: object) -> None:
        """Publishes a message with the time of now. Safe from any thread."""
        with self._publishing:
            message.header.stamp = self.get_clock().now().to_msg()  # type: ignore[attr-defined]
            publisher.publish(message)

    def stop(self) -> None:
        self.worker.stop()

    def check(self) -> None:
        self.worker.check()

    def every_second(self) -> None:
        if not self.count_publishers("recorder/status"):
            # A recorder that was killed never says that it stopped.
            self.worker.set_recording(False)

    def _recorder_status(self, status: RecorderStatus) -> None:
        self.worker.set_recording(status.state not in _NOT_RECORDING)

    def _pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.worker.set_paused(request.data)
        response.success = True
        response.message = self._paused if request.data else "goes on"
        return response

    def _retry(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.worker.retry()
        response.success = True
        response.message = self._retried
        return response
