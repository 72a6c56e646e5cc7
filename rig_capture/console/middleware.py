"""What every request passes: the guard, and errors as JSON."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from rig_capture.console.context import SERVICES
from rig_capture.console.errors import ConsoleError
from rig_capture.console.guard import HEADER, SAFE, SECURITY_HEADERS
from rig_capture.console.pages import LOGIN, is_public

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_WRONG_WAIT_S = 1.0


def failure(status: int, message: str) -> web.Response:
    """An error as JSON."""
    return web.json_response({"error": message}, status=status)


def go_to(place: str) -> web.Response:
    """Sends a browser to another address."""
    return web.Response(status=303, headers={"Location": place})


@web.middleware
async def headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Puts on every answer what browsers are to hold to."""
    response = await handler(request)
    if not response.prepared:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
    return response


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Makes JSON of what went wrong; of a bug, without its details, which are in the log."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return failure(error.status, f"{request.method} {request.path}: {error.reason}")
    except ConsoleError as error:
        return failure(error.status, str(error))
    except (OSError, asyncio.CancelledError):
        raise
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return failure(500, f"{request.method} {request.path}: failed because of a bug; the console's log tells more")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Lets in who has the token."""
    strange = _strange(request)
    if strange is not None:
        return strange
    token = request.query.get("token") if request.path == "/" and request.method == "GET" else None
    if token is not None:
        return await _opened_with(request, token)
    refusal = await _unknown(request)
    return await handler(request) if refusal is None else refusal


def _strange(request: web.Request) -> web.Response | None:
    """Why a request is refused whoever it comes from; None where it is not."""
    keeper = request.app[SERVICES].guard
    if not keeper.knows_host(request):
        host = request.headers.get("Host", "")
        return failure(403, f"{host[:100]!r} is no name of this machine; call it by its address, or add the name to console.hosts")
    if not keeper.is_own_page(request):
        return failure(403, "this request comes from another website, and is refused")
    return None


async def _unknown(request: web.Request) -> web.StreamResponse | None:
    """Why somebody is not let in; None where he is."""
    keeper = request.app[SERVICES].guard
    if (request.method, request.path) == ("POST", "/api/login"):
        return None
    bearer = keeper.bearer(request)
    if bearer is not None:
        return None if await token_is_right(request, bearer) else _refused(request)
    if not keeper.knows_cookie(request):
        return None if is_public(request) else _refused(request)
    if request.method not in SAFE and request.headers.get(HEADER) != "1":
        return failure(403, f"a request that changes something needs the header {HEADER}: 1")
    return None


async def token_is_right(request: web.Request, token: str) -> bool:
    """Whether a token is right. The answer to a wrong one takes its time, and after many nothing is looked at for a while."""
    keeper = request.app[SERVICES].guard
    if keeper.too_many_guesses(request):
        raise web.HTTPTooManyRequests(reason="too many wrong tokens from there; wait a minute", headers={"Retry-After": "60"})
    if keeper.is_token(token):
        return True
    keeper.wrong_guess(request)
    await asyncio.sleep(_WRONG_WAIT_S)
    return False


async def _opened_with(request: web.Request, token: str) -> web.StreamResponse:
    """The address with the token in it, as `rig status` shows it: the browser gets a cookie, and forgets the token."""
    if not await token_is_right(request, token):
        return go_to("/?wrong")
    response = go_to("/")
    request.app[SERVICES].guard.let_in(response)
    return response


def _refused(request: web.Request) -> web.StreamResponse:
    if request.path == "/" and request.method in SAFE:
        return web.Response(status=401, body=LOGIN.read_bytes(), content_type="text/html", charset="utf-8")
    return failure(401, "no token, or a wrong one; `rig status` shows the console's address with its token")


MIDDLEWARES = (headers, errors, guard)
