"""A small real RTSP server for tests: H.264 over RTP, interleaved in the TCP connection (RFC 2326, RFC 6184)."""

import base64
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Self

_PAYLOAD_TYPE = 96
_LARGEST = 1400
_CLOCK_HZ = 90_000


def nal_units(access_unit: bytes) -> Iterator[bytes]:
    """The NAL units of an Annex B access unit, without start codes."""
    for part in access_unit.split(b"\x00\x00\x01")[1:]:
        yield part.rstrip(b"\x00")


class RtspServer:
    """Serves a list of access units in a loop, at a fixed rate, to any number of clients."""

    def __init__(self, access_units: Sequence[bytes], fps: float = 30.0, port: int = 0) -> None:
        self._units = [list(nal_units(unit)) for unit in access_units]
        self._fps = fps
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._stopping = threading.Event()
        self.silent = threading.Event()
        """Set: connections are taken, but nothing is answered or sent."""
        self.clients: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="rtsp-accept")]
        self.connected = threading.Event()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/camera"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """Ends all connections, as a camera that loses its power."""
        for client in self.clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.clients.append(client)
            self.connected.set()
            thread = threading.Thread(target=self._serve, args=(client,), name="rtsp-client")
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                self._talk(client)
        except OSError:
            return

    def _talk(self, client: socket.socket) -> None:
        frames: Iterator[list[bytes]] | None = None
        due = 0.0
        while not self._stopping.is_set():
            wait = max(0.0, due - time.monotonic()) if frames is not None else None
            if select.select([client], [], [], wait)[0]:
                request = client.recv(65536)
                if not request:
                    return
                if self.silent.is_set():
                    continue
                if self._answer(client, request.decode(errors="replace")) and frames is None:
                    frames, due = self._rtp(), time.monotonic()
                continue
            if frames is not None and not self.silent.is_set():
                for packet in next(frames):
                    client.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            due += 1 / self._fps

    def _answer(self, client: socket.socket, request: str) -> bool:
        """Answers a request; True for PLAY."""
        if not request or request.startswith("$"):
            return False
        method = request.split(" ", 1)[0]
        sequence = next((line.split(":")[1].strip() for line in request.splitlines() if line.lower().startswith("cseq")), "0")
        headers, body = {"CSeq": sequence, "Session": "1"}, ""
        if method == "OPTIONS":
            headers["Public"] = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"
        elif method == "DESCRIBE":
            body = self._description()
            headers |= {"Content-Type": "application/sdp", "Content-Base": f"{self.url}/", "Content-Length": str(len(body))}
        elif method == "SETUP":
            headers["Transport"] = "RTP/AVP/TCP;unicast;interleaved=0-1"
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        client.sendall(f"RTSP/1.0 200 OK\r\n{lines}\r\n{body}".encode())
        return method == "PLAY"

    def _description(self) -> str:
        sets = [unit for unit in self._units[0] if unit[0] & 0x1F in (7, 8)]
        encoded = ",".join(base64.b64encode(unit).decode() for unit in sets)
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n"
            f"m=video 0 RTP/AVP {_PAYLOAD_TYPE}\r\na=rtpmap:{_PAYLOAD_TYPE} H264/{_CLOCK_HZ}\r\n"
            f"a=fmtp:{_PAYLOAD_TYPE} packetization-mode=1;sprop-parameter-sets={encoded}\r\na=control:track1\r\n"
        )

    def _rtp(self) -> Iterator[list[bytes]]:
        sequence = random.randrange(2**15)
        index = 0
        while True:
            # As many cameras do, parameter sets are told in the description only.
            units = [unit for unit in self._units[index % len(self._units)] if unit[0] & 0x1F not in (7, 8)]
            stamp = round(index * _CLOCK_HZ / self._fps) % 2**32
            payloads = [payload for unit in units for payload in _payloads(unit)]
            packets = []
            for number, payload in enumerate(payloads):
                marker = 0x80 if number == len(payloads) - 1 else 0
                packets.append(struct.pack(">BBHII", 0x80, marker | _PAYLOAD_TYPE, sequence % 2**16, stamp, 0x1234) + payload)
                sequence += 1
            index += 1
            yield packets


def _payloads(unit: bytes) -> Iterator[bytes]:
    if len(unit) <= _LARGEST:
        yield unit
        return
    head, body = unit[0], unit[1:]
    for start in range(0, len(body), _LARGEST):
        part = body[start : start + _LARGEST]
        flags = (0x80 if start == 0 else 0) | (0x40 if start + _LARGEST >= len(body) else 0)
        yield bytes([head & 0xE0 | 28, flags | head & 0x1F]) + part
