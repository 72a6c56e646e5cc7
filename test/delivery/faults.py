"""A proxy before an S3 server that makes what a bad network, a busy service, and a broken one make."""

import base64
import hashlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import google_crc32c

_ERRORS = {403: "AccessDenied", 400: "BadDigest", 500: "InternalError", 503: "SlowDown"}


class Fault(Enum):
    """What becomes of one request."""

    NONE = "none"
    RESET = "reset in mid-body"
    LOST_ANSWER = "done, and the answer lost"
    SLOW = "1 kB/s"
    E500 = "500"
    E503 = "503"
    E403 = "403"
    CORRUPT = "wrong checksum"


Choose = Callable[[str, str], Fault]
"""Of method and path."""


class FaultProxy:
    """Listens from `__enter__` to `__exit__`, save while `closed`."""

    def __init__(self, upstream_port: int, choose: Choose) -> None:
        self.upstream_port = upstream_port
        self.choose = choose
        self.made: list[Fault] = []
        self.port = 0
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Its end point."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "FaultProxy":
        self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Connections are refused in the block."""
        self._close()
        try:
            yield
        finally:
            self._open()

    def _open(self) -> None:
        proxy = self

        class Handler(_Handler):
            owner = proxy

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True  # a client's kept-alive connection would hold the end of a test
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def _close(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FaultProxy

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _serve(self) -> None:
        fault = self.owner.choose(self.command, self.path)
        if fault is not Fault.NONE:
            self.owner.made.append(fault)
        length = int(self.headers.get("Content-Length") or 0)
        if fault is Fault.RESET:
            self.rfile.read(length // 2)
            self._reset()
            return
        body = self._slowly(length) if fault is Fault.SLOW else self.rfile.read(length)
        if fault is Fault.CORRUPT:
            body = body[:-1] + bytes([body[-1] ^ 1]) if body else body
        if not self._checksum_fits(body):
            self._refuse(400)
        elif fault in {Fault.E403, Fault.E500, Fault.E503}:
            self._refuse(int(fault.value))
        else:
            self._forward(body, lose=fault is Fault.LOST_ANSWER)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815

    def _slowly(self, length: int) -> bytes:
        start = b""
        while len(start) < min(length, 1024):
            start += self.rfile.read(min(length - len(start), 256))
            time.sleep(0.25)
        return start + self.rfile.read(length - len(start))

    def _checksum_fits(self, body: bytes) -> bool:
        """As the real service does, and moto does not."""
        given = {name: self.headers.get(f"x-amz-checksum-{name}") for name in ("sha256", "crc32c")}
        made = {"sha256": hashlib.sha256(body).digest(), "crc32c": struct.pack(">I", google_crc32c.value(body))}
        return all(value is None or base64.b64decode(value) == made[name] for name, value in given.items())

    def _refuse(self, status: int) -> None:
        body = f"<Error><Code>{_ERRORS[status]}</Code><Message>made by the proxy</Message></Error>".encode()
        self._answer(status, [("Content-Type", "application/xml")], b"" if self.command == "HEAD" else body)

    def _forward(self, body: bytes, *, lose: bool) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self.owner.upstream_port, timeout=60)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            content = answer.read()
        except OSError:
            self._reset()
            return
        finally:
            upstream.close()
        if lose:
            self._reset()
            return
        dropped = {"connection", "transfer-encoding", "content-length"}
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in dropped]
        if self.command == "HEAD":
            headers.append(("Content-Length", answer.headers.get("Content-Length", "0")))
        self._answer(answer.status, headers, content)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        try:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            # The client was killed.
            self.close_connection = True

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A duplicate of the file is held by rfile and wfile; shutting down alone would be a clean end.
        self.rfile.close()
        self.connection.close()
