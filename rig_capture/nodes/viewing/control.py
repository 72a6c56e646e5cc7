"""The recorder's services, asked for viewers."""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future as RosFuture
from rig_capture_msgs.srv import CancelRecording, StartRecording, StopRecording, TriggerRecording

from rig_capture.console.errors import NodeSilent
from rig_capture.console.rig import Answer, Interest
from rig_capture.nodes.common.generated import ServiceType
from rig_capture.nodes.viewing.feeds import Feeds


class ConsoleRig:
    """The rig's end of the console (`rig_capture.console.rig.Rig`)."""

    def __init__(self, node: Node, feeds: Feeds) -> None:
        """Asks nothing yet."""
        self._feeds = feeds
        group = ReentrantCallbackGroup()
        kinds = (StartRecording, StopRecording, CancelRecording, TriggerRecording)
        names = ("start_recording", "stop_recording", "cancel_recording", "trigger_recording")
        self._node = node
        self._awaited: dict[Future[Answer], frozenset[bytes]] = {}
        """Answers that are still to come, and who was asked."""
        self._asking = {kind: node.create_client(kind, name, callback_group=group) for kind, name in zip(kinds, names, strict=True)}

    def want(self, interest: Interest) -> None:
        """See `Rig`."""
        self._feeds.want(interest)

    def start_recording(self, fields: Mapping[str, Any]) -> "Future[Answer]":
        """See `Rig`."""
        return self._ask(StartRecording, fields)

    def stop_recording(self) -> "Future[Answer]":
        """See `Rig`."""
        return self._ask(StopRecording, {})

    def cancel_recording(self, keep_data: bool) -> "Future[Answer]":
        """See `Rig`."""
        return self._ask(CancelRecording, {"keep_data": keep_data})

    def trigger_recording(self, fields: Mapping[str, Any]) -> "Future[Answer]":
        """See `Rig`."""
        return self._ask(TriggerRecording, fields)

    def check(self) -> None:
        """Called once a second: one that was asked and has gone, or was started anew, answers no more."""
        if not self._awaited:
            return
        there = self._recorders()
        for answered, asked in list(self._awaited.items()):
            if answered.done():
                del self._awaited[answered]
            elif not asked:  # not seen yet when it was asked
                self._awaited[answered] = there
            elif asked != there and answered.set_running_or_notify_cancel():
                del self._awaited[answered]
                answered.set_exception(NodeSilent("the recorder ended before it answered; the list of sessions shows what became of it"))

    def _recorders(self) -> frozenset[bytes]:
        """Who tells of recording: endpoints of DDS, which a recorder that is started anew has others of."""
        topic = self._node.resolve_topic_name("recorder/status")
        return frozenset(bytes(info.endpoint_gid) for info in self._node.get_publishers_info_by_topic(topic))

    def _ask(self, kind: ServiceType, fields: Mapping[str, Any]) -> "Future[Answer]":
        service = self._asking[kind]
        if not service.service_is_ready():
            raise NodeSilent(f"nobody offers {service.srv_name}; is the recorder up? (`rig status` tells)")
        answered: Future[Answer] = Future()
        self._awaited[answered] = self._recorders()

        def tell(future: RosFuture) -> None:
            if answered.done() or not answered.set_running_or_notify_cancel():
                return
            response = future.result()
            names = ("success", "message", "recording_id", "path")
            answered.set_result({name: getattr(response, name) for name in names if hasattr(response, name)})

        service.call_async(kind.Request(**fields)).add_done_callback(tell)
        return answered
