"""What the server answers: the page, who logs in, the rig and its state, live data."""

import asyncio
import contextlib
import json
import logging
import socket

from aiohttp import WSCloseCode, WSMsgType, web

from rig_capture import __version__
from rig_capture.console import archive, control, pages
from rig_capture.console.context import SERVICES
from rig_capture.console.errors import TooMany, WrongRequest
from rig_capture.console.live import LiveHub, Viewer, to_json
from rig_capture.console.middleware import failure, go_to, token_is_right
from rig_capture.console.rig import describe

log = logging.getLogger(__name__)

_LARGEST_WISH = 16 * 1024
_HEARTBEAT_S = 15.0
_GOODBYE_S = 0.5
"""A page that does not answer a goodbye in this time is left."""
_BUFFER_BYTES = 128 * 1024
"""What may be on its way to a viewer; more would only be older pictures."""


async def rig(request: web.Request) -> web.Response:
    """What the rig consists of, and in which state it is."""
    services = request.app[SERVICES]
    status = services.hub.values.get("status", {})
    own = {"host": socket.gethostname(), "version": __version__, "state": status.get("state", "absent")}
    return web.json_response(describe(services.place.profile, services.place.namespace) | own, dumps=to_json)


async def status(request: web.Request) -> web.Response:
    """The newest of everything that is sent to viewers unasked, by what it is about."""
    services = request.app[SERVICES]
    return web.json_response(services.hub.values | {"viewers": services.hub.viewers}, dumps=to_json)


async def health(request: web.Request) -> web.Response:
    """Problems that are open, and what was told last."""
    return web.json_response(request.app[SERVICES].hub.values.get("health", {"open": [], "events": []}), dumps=to_json)


async def login(request: web.Request) -> web.StreamResponse:
    """Gives a browser its cookie for the token: to a script as JSON, to the form of the login page by going on to the page."""
    is_form = request.content_type == "application/x-www-form-urlencoded"
    if is_form:
        token = str((await request.post()).get("token", ""))
    else:
        try:
            token = str((await request.json())["token"])
        except (ValueError, KeyError, TypeError) as error:
            raise WrongRequest('the token belongs here, as {"token": "..."}') from error
    right = await token_is_right(request, token.strip())
    if not right:
        return go_to("/?wrong") if is_form else failure(401, "this is not the token; `rig status` shows it")
    response = go_to("/") if is_form else web.json_response({"ok": True})
    request.app[SERVICES].guard.let_in(response)
    return response


async def logout(request: web.Request) -> web.StreamResponse:
    """Takes a browser's cookie back."""
    response = web.json_response({"ok": True})
    request.app[SERVICES].guard.send_away(response)
    return response


async def live(request: web.Request) -> web.StreamResponse:
    """The WebSocket of a page."""
    services = request.app[SERVICES]
    if services.hub.viewers >= services.settings.most_viewers:
        raise TooMany(f"{services.hub.viewers} pages look at this rig already; close one, or raise console.most_viewers")
    socket_ = web.WebSocketResponse(timeout=_GOODBYE_S, heartbeat=_HEARTBEAT_S, compress=False, max_msg_size=_LARGEST_WISH)
    await socket_.prepare(request)
    _keep_buffers_small(request)
    awake = asyncio.Event()
    viewer = Viewer(awake.set)
    services.hub.add(viewer)
    services.sockets.add(socket_)
    sending = asyncio.create_task(_send(socket_, viewer, awake))
    try:
        await _listen(socket_, viewer, services.hub)
    finally:
        services.sockets.discard(socket_)
        services.hub.remove(viewer)
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
    return socket_


async def _listen(socket_: web.WebSocketResponse, viewer: Viewer, hub: LiveHub) -> None:
    """Takes a page's wishes until it leaves."""
    async for message in socket_:
        if message.type != WSMsgType.TEXT:
            continue
        try:
            said = json.loads(message.data)
            if not isinstance(said, dict):
                raise WrongRequest("a JSON object belongs here")
            hub.wish(viewer, said)
        except (ValueError, RecursionError, WrongRequest) as error:
            viewer.states["error"] = to_json({"type": "error", "error": str(error)})
            viewer.wake()


async def _send(socket_: web.WebSocketResponse, viewer: Viewer, awake: asyncio.Event) -> None:
    """Sends what waits, as fast as the page takes it."""
    try:
        while not socket_.closed:
            await awake.wait()
            awake.clear()
            while (message := viewer.take()) is not None:
                if viewer.lagging:
                    await socket_.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"connect again")
                    return
                await (socket_.send_str(message) if isinstance(message, str) else socket_.send_bytes(message))
    except (ConnectionError, RuntimeError):  # it left meanwhile
        return


def _keep_buffers_small(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    transport.set_write_buffer_limits(high=_BUFFER_BYTES // 2)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)


async def close_sockets(application: web.Application) -> None:
    """Tells all pages that the console ends."""
    sockets = list(application[SERVICES].sockets)
    await asyncio.gather(*(socket_.close(code=WSCloseCode.GOING_AWAY, message=b"the console ends") for socket_ in sockets))


def add_routes(application: web.Application) -> None:
    """All that is served."""
    application.on_shutdown.append(close_sockets)
    router = application.router
    router.add_get("/api/rig", rig)
    router.add_get("/api/status", status)
    router.add_get("/api/health", health)
    router.add_get("/api/live", live)
    router.add_post("/api/login", login)
    router.add_post("/api/logout", logout)
    control.add_routes(router)
    archive.add_routes(router)
    router.add_get("/{name:.*}", pages.serve)
