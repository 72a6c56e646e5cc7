"""A client of the Foxglove WebSocket protocol, version foxglove.sdk.v1, with its own reading of the frames."""

import asyncio
import json
import ssl
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import aiohttp

T = TypeVar("T")

_MESSAGE_DATA, _SERVICE_ANSWER = 1, 3
_SERVICE_REQUEST = 2
_UNKNOWN = "Unknown channel ID: "


@dataclass
class FoxgloveClient:
    """One viewer. What the server says is taken in inside `until`."""

    session: aiohttp.ClientSession
    socket: aiohttp.ClientWebSocketResponse
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Advertised, by topic."""
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Advertised, by name."""
    received: dict[str, list[bytes]] = field(default_factory=dict)
    """Messages by topic."""
    answers: dict[int, bytes | str] = field(default_factory=dict)
    """Of services by call; a text is an error."""
    topics: dict[int, str] = field(default_factory=dict)
    """By subscription."""
    refused: set[int] = field(default_factory=set)
    """Channels asked for that the server did not know."""

    @classmethod
    async def connect(cls, session: aiohttp.ClientSession, url: str, trust: ssl.SSLContext | bool = True) -> Self:
        """Joins."""
        return cls(session, await session.ws_connect(url, protocols=["foxglove.sdk.v1"], ssl=trust))

    async def subscribe(self, topic: str) -> None:
        """Looks at a topic, once it is advertised."""
        await self.until(lambda: topic in self.channels, f"{topic} advertised")
        number = len(self.topics) + 1
        self.topics[number] = topic
        self.received.setdefault(topic, [])
        await self._subscribe(number)

    async def unsubscribe(self, topic: str) -> None:
        """Looks away."""
        numbers = [number for number, name in self.topics.items() if name == topic]
        await self._say(op="unsubscribe", subscriptionIds=numbers)

    async def call(self, service: str, payload: bytes) -> bytes | str:
        """Calls a service with CDR, and gives its answer."""
        await self.until(lambda: service in self.services, f"{service} advertised")
        number = len(self.answers) + 1
        head = struct.pack("<BIII", _SERVICE_REQUEST, self.services[service]["id"], number, 3)
        await self.socket.send_bytes(head + b"cdr" + payload)
        await self.until(lambda: number in self.answers, f"the answer of {service}")
        return self.answers[number]

    async def until(self, condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
        """Listens until a condition holds."""
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self._take(await self.socket.receive())
                    await self._subscribe_refused()
        except TimeoutError:
            raise AssertionError(f"{what}: not within {timeout_s:g} s") from None

    async def _subscribe(self, number: int) -> None:
        await self._say(op="subscribe", subscriptions=[{"id": number, "channelId": self.channels[self.topics[number]]["id"]}])

    async def _subscribe_refused(self) -> None:
        """Asks again for what the server did not know yet: foxglove-sdk 0.30 sends the advertisement of a channel before it notes the
        channel itself (ConnectedClient::advertise_channels), so who is quick is refused."""
        refused, self.refused = self.refused, set()
        for number, topic in self.topics.items():
            if topic in self.channels and self.channels[topic]["id"] in refused:
                await self._subscribe(number)

    async def _say(self, **message: Any) -> None:
        await self.socket.send_str(json.dumps(message))

    def _take(self, frame: aiohttp.WSMessage) -> None:
        if frame.type == aiohttp.WSMsgType.TEXT:
            self._take_text(json.loads(frame.data))
        elif frame.type == aiohttp.WSMsgType.BINARY:
            self._take_bytes(frame.data)
        else:
            raise AssertionError(f"the server closed the connection: {frame}")

    def _take_text(self, said: dict[str, Any]) -> None:
        if said["op"] == "advertise":
            self.channels |= {channel["topic"]: channel for channel in said["channels"]}
        elif said["op"] == "unadvertise":
            gone = set(said["channelIds"])
            self.channels = {topic: channel for topic, channel in self.channels.items() if channel["id"] not in gone}
        elif said["op"] == "advertiseServices":
            self.services |= {service["name"]: service for service in said["services"]}
        elif said["op"] == "status" and said["message"].startswith(_UNKNOWN):
            self.refused.add(int(said["message"].removeprefix(_UNKNOWN)))
        elif said["op"] == "serviceCallFailure":
            self.answers[said["callId"]] = said["message"]

    def _take_bytes(self, data: bytes) -> None:
        if data[0] == _MESSAGE_DATA:
            number, _ = struct.unpack_from("<IQ", data, 1)
            self.received[self.topics[number]].append(data[13:])
        elif data[0] == _SERVICE_ANSWER:
            _, number, length = struct.unpack_from("<III", data, 1)
            self.answers[number] = data[13 + length :]


def view(url: str, look: Callable[[FoxgloveClient], Coroutine[Any, Any, T]]) -> T:
    """Runs what a viewer does."""

    async def run() -> T:
        async with aiohttp.ClientSession() as session:
            return await look(await FoxgloveClient.connect(session, url))

    return asyncio.run(run())
