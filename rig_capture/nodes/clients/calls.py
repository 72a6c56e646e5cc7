"""Calls of services, from a thread that is not the executor's."""

import threading
import time
from collections.abc import Callable

from rclpy.client import Client

from rig_capture.nodes.clients.errors import NoAnswer
from rig_capture.nodes.common.generated import Message

_LOOK_S = 0.01
"""How often it is looked whether a service is offered; rclpy's own waiting looks every quarter of a second."""


def call(client: Client, request: Message, *, offered_s: float, answered_s: float, hint: Callable[[], str], log: str) -> Message:
    """Calls a service once it is offered, and returns its response.

    Args:
        client: of the service, whose node an executor spins.
        request: of the service's type.
        offered_s: longest wait for somebody who offers it.
        answered_s: longest wait for the answer.
        hint: what to say where nobody offers it.
        log: what to look at where nobody answers.

    Raises:
        NoAnswer: nobody offers it, or the answer did not come in time.
    """
    deadline = time.monotonic() + offered_s
    while not client.service_is_ready():
        if time.monotonic() >= deadline:
            raise NoAnswer(f"nobody offers {client.srv_name}; {hint()}")
        time.sleep(_LOOK_S)
    answered = threading.Event()
    future = client.call_async(request)
    future.add_done_callback(lambda _: answered.set())
    if not answered.wait(answered_s):
        client.remove_pending_request(future)
        raise NoAnswer(f"{client.srv_name} did not answer within {answered_s:g} s; see {log}")
    return future.result()
