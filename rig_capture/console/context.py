"""What requests are answered with."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web

from rig_capture.console.errors import NodeSilent
from rig_capture.console.guard import Guard
from rig_capture.console.live import LiveHub
from rig_capture.console.media import MediaCache
from rig_capture.console.rig import Rig, RigPlace
from rig_capture.console.sessions import SessionBook
from rig_capture.console.tasks import Tasks
from rig_capture.profiles.settings.console import ConsoleSettings

T = TypeVar("T")


@dataclass
class Services:
    """Everything that handlers use; settings and place may be replaced while it runs."""

    settings: ConsoleSettings
    place: RigPlace
    rig: Rig
    hub: LiveHub
    guard: Guard
    pool: ThreadPoolExecutor
    """For what waits for a disk."""
    book: SessionBook
    media: MediaCache
    tasks: Tasks
    sockets: set[web.WebSocketResponse] = field(default_factory=set)
    """Of all viewers."""

    async def on_disk(self, call: Callable[[], T]) -> T:
        """Runs what may wait for a disk in a thread.

        Raises:
            NodeSilent: it takes too long; it goes on, and its result is lost.
        """
        future = asyncio.get_running_loop().run_in_executor(self.pool, call)
        try:
            return await asyncio.wait_for(future, self.settings.answer_timeout_s)
        except TimeoutError as error:
            raise NodeSilent(
                f"{self.place.sessions}: the disk did not answer within {self.settings.answer_timeout_s:g} s; see whether it is connected"
            ) from error


SERVICES = web.AppKey("services", Services)
