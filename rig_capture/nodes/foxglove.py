"""Executable `foxglove`: the rig live in Foxglove, over a WebSocket: all topics while somebody looks at them, and services."""

import os
from pathlib import Path
from typing import NoReturn

import foxglove
from ament_index_python.packages import get_package_share_directory
from foxglove.websocket import Capability, ChannelView, Client, ServerListener, WebSocketServer

from rig_capture.nodes.common.base import RigNode, run_node
from rig_capture.nodes.common.diagnosis import OK, WARN
from rig_capture.nodes.common.memory import keep_large_buffers
from rig_capture.nodes.common.parameters import SettingsError
from rig_capture.nodes.recording.intake import UnknownMessageType
from rig_capture.nodes.recording.topics import BadPattern, TopicSelection
from rig_capture.nodes.viewing.channels import TopicChannel, Viewers
from rig_capture.nodes.viewing.services import OfferedService
from rig_capture.profiles.settings.foxglove import FoxgloveSettings
from rig_capture.recorder.bag.definitions import Definitions
from rig_capture.recorder.errors import UnknownType

_LOOK_S = 0.5


class FoxgloveNode(RigNode[FoxgloveSettings]):
    """Channels come and go as topics do, subscriptions as viewers do; a slow viewer loses messages, the rig none."""

    settings_type = FoxgloveSettings
    task = "Foxglove"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        settings = self.settings
        try:
            self._selection = TopicSelection.parse(settings.topics, settings.exclude, self.resolve_topic_name)
        except BadPattern as error:
            raise SettingsError(f"parameter topics: {error}") from error
        self._named = {self.resolve_topic_name(each) for each in self._selection.names}
        self._callable = {self.resolve_service_name(each) for each in settings.services}
        self._definitions = Definitions()
        self._channels: dict[str, TopicChannel] = {}
        self._offered: dict[str, OfferedService] = {}
        self._left_out: dict[str, str] = {}
        self._server_context = foxglove.Context()
        self._viewed = self.create_guard_condition(self._attend)
        self._viewers = Viewers(self._viewed.trigger)
        self._server = self._serve()
        self.create_timer(_LOOK_S, self._look)

    def start(self) -> None:
        layout = Path(get_package_share_directory("rig_capture")) / "config" / "foxglove_layout.json"
        self.get_logger().info(f"open {self._url} in Foxglove (Open connection, Foxglove WebSocket); a layout to import: {layout}")

    def stop(self) -> None:
        for offered in self._offered.values():
            offered.close()
        self._server.stop()
        for channel in self._channels.values():
            channel.close()

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        channels = list(self._channels.values())
        values: dict[str, object] = {
            "address": self._url,
            "viewers": len(self._viewers),
            "channels": len(channels),
            "subscribed": sum(channel.is_subscribed for channel in channels),
            "messages": sum(channel.messages for channel in channels),
            "bytes": sum(channel.bytes for channel in channels),
        }
        if self._left_out:
            return WARN, f"{len(self._left_out)} topics or services are left out: {'; '.join(self._left_out.values())}", values
        return OK, f"{self._url}, {len(self._viewers)} viewers", values

    @property
    def _url(self) -> str:
        host = f"[{self.settings.address}]" if ":" in self.settings.address else self.settings.address
        return f"{'wss' if self.settings.certificate else 'ws'}://{host}:{self._server.port}"

    def _serve(self) -> WebSocketServer:
        settings = self.settings
        try:
            certificate, key = (Path(file).expanduser().read_bytes() if file else None for file in _certificate_files(settings))
            return foxglove.start_server(
                name=f"rig_capture {self.get_namespace()} on {os.uname().nodename}",
                host=settings.address,
                port=settings.port,
                capabilities=[Capability.Services],
                server_listener=_Listener(self._viewers),
                supported_encodings=["cdr"],
                context=self._server_context,
                message_backlog_size=settings.backlog,
                tls_cert=certificate,
                tls_key=key,
            )
        except OSError as error:
            raise SettingsError(f"parameter certificate: {error.filename}: can't be read: {error.strerror}") from error
        except RuntimeError as error:
            reason = str(error).removeprefix("FoxgloveError: ")
            raise SettingsError(
                f"Foxglove can't be served on {settings.address}, port {settings.port}: {reason}; set another address, port or certificate"
            ) from error

    def _look(self) -> None:
        """Topics and services that came, and those that are gone."""
        topics = {name: types[0] for name, types in self.get_topic_names_and_types() if self._takes(name, types[0])}
        for name in [name for name, channel in self._channels.items() if topics.get(name) != channel.type]:
            self._channels.pop(name).close()
        for name, type_name in topics.items():
            if name not in self._channels and name not in self._left_out:
                self._offer_topic(name, type_name)
        services = {name: types[0] for name, types in self.get_service_names_and_types() if name in self._callable}
        for name in self._offered.keys() - services.keys():
            self._server.remove_services([name])
            self._offered.pop(name).close()
        for name in services.keys() - self._offered.keys() - self._left_out.keys():
            self._offer_service(name, services[name])
        self._attend()

    def _takes(self, name: str, type_name: str) -> bool:
        return (name in self._named or self._selection.takes(name, type_name)) and self.count_publishers(name) > 0

    def _offer_topic(self, name: str, type_name: str) -> None:
        try:
            self._channels[name] = TopicChannel(self, name, type_name, self._definitions, self._server_context)
        except (UnknownMessageType, UnknownType) as error:
            self._leave_out(name, str(error))

    def _offer_service(self, name: str, type_name: str) -> None:
        try:
            offered = OfferedService(self, name, type_name, self._definitions, self.settings.answer_s)
        except (UnknownMessageType, UnknownType) as error:
            self._leave_out(name, str(error))
            return
        self._server.add_services([offered.service])
        self._offered[name] = offered

    def _leave_out(self, name: str, reason: str) -> None:
        self._left_out[name] = reason
        self.get_logger().warning(f"{name} is left out: {reason}")

    def _attend(self) -> None:
        """Subscribes to what somebody looks at, and only to that."""
        newcomers = self._viewers.newcomers()
        for name, channel in self._channels.items():
            channel.attend(wanted=self._viewers.look_at(name), newcomer=name in newcomers, depth=self.settings.depth)


class _Listener(ServerListener):
    """Called in the server's threads."""

    def __init__(self, viewers: Viewers) -> None:
        self._viewers = viewers

    def on_subscribe(self, client: Client, channel: ChannelView) -> None:
        self._viewers.subscribed(client.id, channel.topic)

    def on_unsubscribe(self, client: Client, channel: ChannelView) -> None:
        self._viewers.unsubscribed(client.id, channel.topic)


def _certificate_files(settings: FoxgloveSettings) -> tuple[str, str]:
    return settings.certificate, settings.certificate_key or settings.certificate


def make_node(name: str) -> FoxgloveNode:
    """A node by its name."""
    return FoxgloveNode(name)


def main() -> NoReturn:
    """Entry point."""
    keep_large_buffers()
    run_node(lambda: make_node("foxglove"))


if __name__ == "__main__":
    main()
