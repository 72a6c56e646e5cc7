"""A console without a rig's nodes: the real server on a real port, and someone who asks it."""

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rig_capture.console.errors import NodeSilent
from rig_capture.console.rig import Answer, Interest, RigPlace
from rig_capture.console.server import ConsoleServer
from rig_capture.profiles.profile import Profile
from rig_capture.profiles.settings.console import ConsoleSettings
from test.parts import wait_until

TOKEN = "a token that nobody guesses"
DEVICES: dict[str, Any] = {"cameras": {"front": {}, "side": {}}, "microphones": {"mic": {"channels": 2}}, "imus": {"imu": {}}}


class NodesAway:
    """The rig's end while none of its nodes is up; notes what viewers want."""

    def __init__(self) -> None:
        self.wanted = Interest()

    def want(self, interest: Interest) -> None:
        self.wanted = interest

    def start_recording(self, fields: Mapping[str, Any]) -> "Future[Answer]":
        raise NodeSilent("nobody offers start_recording")

    def stop_recording(self) -> "Future[Answer]":
        raise NodeSilent("nobody offers stop_recording")

    def cancel_recording(self, keep_data: bool) -> "Future[Answer]":
        raise NodeSilent("nobody offers cancel_recording")

    def trigger_recording(self, fields: Mapping[str, Any]) -> "Future[Answer]":
        raise NodeSilent("nobody offers trigger_recording")


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


class Visitor:
    """Asks the server, with nothing in the request but what is told."""

    def __init__(self, url: str, *, certificate: Path | None = None) -> None:
        self._place = urlsplit(url)
        self._certificate = certificate

    @property
    def host(self) -> str:
        """As browsers name it."""
        return self._place.netloc

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """A request; headers are written with underscores. No Host: that of the address."""
        assert self._place.hostname is not None
        connection: http.client.HTTPConnection
        if self._certificate is None:
            connection = http.client.HTTPConnection(self._place.hostname, self._place.port, timeout=30)
        else:
            context = ssl.create_default_context(cafile=str(self._certificate))
            connection = http.client.HTTPSConnection(self._place.hostname, self._place.port, timeout=30, context=context)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        try:
            connection.putrequest(method, path, skip_host="Host" in given, skip_accept_encoding=True)
            for name, value in (given | ({"Content-Length": str(len(data))} if data is not None else {})).items():
                connection.putheader(name, value)
            connection.endheaders(data)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        """With the token."""
        return self.ask("GET", path, Authorization=f"Bearer {TOKEN}", **headers)

    def post(self, path: str, body: object = None) -> Reply:
        """With the token."""
        return self.ask("POST", path, body, Authorization=f"Bearer {TOKEN}")


@dataclass
class Served:
    """A console that runs."""

    server: ConsoleServer
    rig: NodesAway
    place: RigPlace
    url: str

    @property
    def visitor(self) -> Visitor:
        return Visitor(self.url)


@contextmanager
def served(folder: Path, settings: Mapping[str, Any] | None = None, **profile: Any) -> Iterator[Served]:
    """A console while the block runs; sessions lie in FOLDER/sessions."""
    chosen = ConsoleSettings.model_validate({"port": 0} | dict(settings or {}))
    shown = Profile.model_validate(DEVICES | {"rig": "lab", "storage_path": str(folder / "sessions")} | profile)
    place, rig = RigPlace(shown, "/lab", 7), NodesAway()
    server = ConsoleServer(chosen, place, TOKEN, rig, lambda listening: None)
    server.start()
    try:
        wait_until(lambda: server.listening is not None, "listening")
        assert server.listening is not None
        yield Served(server, rig, place, server.listening.url)
    finally:
        server.stop()
