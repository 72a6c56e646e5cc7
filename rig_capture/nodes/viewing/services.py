"""Services of the rig, to be called from Foxglove."""

import contextlib
import importlib
from concurrent.futures import Future, InvalidStateError
from typing import Any

from foxglove import MessageSchema, Schema, Service, ServiceRequest, ServiceSchema
from rclpy.client import Client
from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message

from rig_capture.nodes.common.generated import ServiceType
from rig_capture.nodes.recording.intake import UnknownMessageType
from rig_capture.recorder.bag.definitions import Definitions


class CallFailed(Exception):
    """A service that was called and gave no answer; Foxglove shows the message."""


class OfferedService:
    """One service: a client of it, and what Foxglove is told of it."""

    def __init__(self, node: Node, name: str, type_name: str, definitions: Definitions, answer_s: float) -> None:
        """Makes the client.

        Args:
            node: calls.
            name: absolute.
            type_name: such as ``std_srvs/srv/Trigger``.
            definitions: of messages and services.
            answer_s: longest wait for an answer.

        Raises:
            UnknownMessageType, UnknownType: the type is not installed.
        """
        self.name = name
        self._node, self._answer_s = node, answer_s
        self._class = _service_class(type_name)
        self._client: Client = node.create_client(self._class, name)
        self._waiting: set[Future[Any]] = set()
        request, answer = (
            MessageSchema(encoding="cdr", schema=Schema(name=f"{type_name}_{part}", encoding="ros2msg", data=text.encode()))
            for part, text in zip(("Request", "Response"), definitions.service_texts(type_name), strict=True)
        )
        self.service = Service(name, schema=ServiceSchema(type_name, request=request, response=answer), handler=self._call)

    def close(self) -> None:
        """Gives up calls that wait, and the client."""
        for waiting in list(self._waiting):
            waiting.cancel()
        self._node.destroy_client(self._client)

    def _call(self, request: ServiceRequest) -> bytes:
        """Called in a thread of the server's; the answer comes in the executor's."""
        answer: Future[Any] = Future()
        self._waiting.add(answer)
        try:
            asked = self._client.call_async(deserialize_message(request.payload, self._class.Request))
            asked.add_done_callback(lambda done: _hand_on(done.result(), answer))
            return bytes(serialize_message(answer.result(self._answer_s)))
        except TimeoutError as error:
            raise CallFailed(f"{self.name}: no answer within {self._answer_s:g} s; is its node up? (`rig status` tells)") from error
        finally:
            self._waiting.discard(answer)


def _hand_on(result: object, answer: "Future[Any]") -> None:
    with contextlib.suppress(InvalidStateError):  # given up meanwhile
        answer.set_result(result)


def _service_class(type_name: str) -> ServiceType:
    package, _, name = type_name.partition("/srv/")
    try:
        found: ServiceType = getattr(importlib.import_module(f"{package}.srv"), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownMessageType(f"service type {type_name} is not installed on this machine") from error
    return found
