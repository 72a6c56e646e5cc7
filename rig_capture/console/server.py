"""The HTTP server: its thread, its socket, and what it passes requests to."""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from rig_capture.console.api import add_routes
from rig_capture.console.context import SERVICES, Services
from rig_capture.console.errors import CantListen
from rig_capture.console.guard import Guard
from rig_capture.console.live import LiveHub
from rig_capture.console.media import MediaCache
from rig_capture.console.middleware import MIDDLEWARES
from rig_capture.console.rig import Rig, RigPlace, describe
from rig_capture.console.sessions import SessionBook
from rig_capture.console.tasks import Tasks
from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.places import console_media_dir
from rig_capture.profiles.settings.console import ConsoleSettings
from rig_capture.recorder.jobs.jobs import JobStore

log = logging.getLogger(__name__)

_PORTS_TRIED = 21
_RETRY_S = 2.0
_JOBS_S = 1.0
_LARGEST_BODY = 256 * 1024
_STOP_S = 1.0
"""Requests under way may take so long to end."""


@dataclass(frozen=True)
class Listening:
    """Where the console is reached."""

    host: str
    port: int
    tls: bool

    @property
    def url(self) -> str:
        """Of the page, without token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}/"


class ConsoleServer:
    """Owns the thread of the server, from `start` to `stop`.

    Where its address can't be listened on, it says so (`trouble`) and tries again: a network may come up later than the rig.
    """

    def __init__(self, settings: ConsoleSettings, place: RigPlace, token: str, rig: Rig, on_listening: Callable[[Listening], None]) -> None:
        """Listens to nothing yet.

        Args:
            settings: how and where it listens.
            place: the rig, and where its sessions and jobs are.
            token: who has it may do everything.
            rig: told what viewers want, and asked to record.
            on_listening: told where it listens, in the server's thread.
        """
        self._settings, self._place, self._token, self._rig = settings, place, token, rig
        self._on_listening = on_listening
        self.trouble = "not started"
        """Why nobody can reach it; empty where that is possible."""
        self.listening: Listening | None = None
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._tls: ssl.SSLContext | None = None
        self._services: Services | None = None
        self._thread = OwnedThread("console", self._run, self._died)
        self._book = SessionBook()
        self._media = MediaCache(console_media_dir(place.namespace, place.domain_id))
        self._tasks = Tasks(self._found, self._task_ended)
        self.hub = LiveHub(rig.want, describe(place.profile, place.namespace))
        """To be used in the server's thread: see `tell`."""

    def start(self) -> None:
        """Begins to listen. Raises CantListen where the certificate can't be used."""
        self._tls = _tls_context(self._settings)
        self._media.clear()
        self._tasks.start()
        self._thread.start()

    def stop(self) -> None:
        """Sends viewers away, ends and joins; raises what the thread died of."""
        self._call(self._ending.set)
        self._thread.join()
        self._loop.close()
        try:
            self._tasks.stop()
        finally:
            self._media.clear()
        self.check()

    def check(self) -> None:
        """Raises what the thread died of."""
        self._thread.check()
        self._tasks.check()

    def tell(self, call: Callable[[LiveHub], None]) -> None:
        """Has something told to viewers, in the server's thread; from any thread, and without waiting."""
        self._call(lambda: call(self.hub))

    def update(self, settings: ConsoleSettings, place: RigPlace) -> None:
        """Settings or devices changed while it runs; from any thread."""

        def change() -> None:
            self._settings, self._place = settings, place
            if self._services is not None:
                self._services.settings, self._services.place = settings, place
            self.hub.set_devices(describe(place.profile, place.namespace))

        self._call(change)

    def _found(self, kind: str, session: Path, result: dict[str, Any]) -> None:
        if kind == "verify":
            self._book.note_verdict(session, whole=result["ok"])

    def _task_ended(self) -> None:
        self.tell(lambda hub: hub.news({"type": "tasks"}))
        self.tell(lambda hub: hub.news({"type": "sessions"}))

    def _call(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed: the end has come
            return

    def _run(self) -> None:
        try:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    def _died(self, failure: BaseException) -> None:
        self.trouble = f"its server ended: {failure}"

    async def _serve(self) -> None:
        with ThreadPoolExecutor(4, thread_name_prefix="console-disk") as pool:
            while not self._ending.is_set():
                try:
                    runner = await self._listen(pool)
                except CantListen as error:
                    if self.trouble != str(error):
                        self.trouble = str(error)
                        log.warning("%s; trying again", error)
                    await self._rest(_RETRY_S)
                    continue
                watching = asyncio.create_task(self._watch_jobs(pool))
                await self._ending.wait()
                watching.cancel()
                await runner.cleanup()

    async def _watch_jobs(self, pool: ThreadPoolExecutor) -> None:
        """The queue is on disk, where the command `rig jobs` changes it, too."""
        before: int | None = None
        while True:
            await asyncio.sleep(_JOBS_S)
            if not self.hub.viewers:
                continue
            with contextlib.suppress(OSError):  # who asks for the jobs is told
                now = await self._loop.run_in_executor(pool, JobStore(self._place.jobs).changed_ns)
                if before not in (None, now):
                    self.hub.news({"type": "jobs"})
                before = now

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._ending.wait(), seconds)
        except TimeoutError:
            return

    async def _listen(self, pool: ThreadPoolExecutor) -> web.AppRunner:
        wanted = self._settings.port
        ports = range(wanted, min(wanted + _PORTS_TRIED, 65536)) if wanted else (0,)
        last: OSError | None = None
        for port in ports:
            server = _socket(self._settings.address, port)
            if isinstance(server, OSError):
                last = server
                continue
            found = int(server.getsockname()[1])
            application = self._application(pool, found)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=_STOP_S, handle_signals=False)
            await runner.setup()
            await web.SockSite(runner, server, ssl_context=self._tls).start()
            self._is_listening(found)
            return runner
        raise CantListen(f"the console can't listen on {self._settings.address}, port {wanted}: {last.strerror if last else 'no port'}")

    def _is_listening(self, port: int) -> None:
        host = self._settings.address
        self.listening = Listening(os.uname().nodename if host in ("0.0.0.0", "::") else host, port, self._tls is not None)  # noqa: S104
        self.trouble = ""
        if self._settings.port not in (0, port):
            log.warning("port %s is taken, so the console listens on %s", self._settings.port, port)
        log.info("the console is at %s; `rig status` shows it with its token", self.listening.url)
        self._on_listening(self.listening)

    def _application(self, pool: ThreadPoolExecutor, port: int) -> web.Application:
        guard = Guard(self._token, port, self._settings.hosts, tls=self._tls is not None)
        self._services = Services(self._settings, self._place, self._rig, self.hub, guard, pool, self._book, self._media, self._tasks)
        application = web.Application(middlewares=MIDDLEWARES, client_max_size=_LARGEST_BODY)
        application[SERVICES] = self._services
        add_routes(application)
        return application


def _socket(address: str, port: int) -> socket.socket | OSError:
    """A socket that listens to nothing yet, or why there is none."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        return error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(place)
        found.listen()  # here, since a port that another program listens to may still be bound to
    except OSError as error:
        found.close()
        return error
    return found


def _tls_context(settings: ConsoleSettings) -> ssl.SSLContext | None:
    """Raises CantListen."""
    if not settings.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate, key = (Path(name).expanduser() if name else None for name in (settings.certificate, settings.certificate_key))
    try:
        context.load_cert_chain(certificate or "", key)
    except (OSError, ssl.SSLError) as error:
        raise CantListen(f"certificate {certificate}, certificate_key {key or certificate}: can't be used: {error}") from error
    return context
