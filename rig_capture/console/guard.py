"""Who may come in: a token, kept by browsers in a cookie; and what browsers are told not to do with our pages.

Three things keep other websites out that a viewer has open beside ours: the cookie is not sent with their requests (SameSite), requests
that change something need a header that forms can't send, and the browser's Origin must be us. The Host must be a name of this
machine, or a website could turn its own name into our address (DNS rebinding).
"""

import hashlib
import hmac
import ipaddress
import re
import socket
import time
from collections import OrderedDict
from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import web

LEAST_TOKEN = 16
"""Characters; a shorter token could be guessed."""
HEADER = "X-Rig-Capture"
SAFE = frozenset({"GET", "HEAD"})

_CSP = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; style-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-src 'self'; frame-ancestors 'self'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_WRONG_WITHIN_S = 60.0
_MOST_WRONG = 10
_MOST_ADDRESSES = 1000
_COOKIE_S = 30 * 86400


class WrongGuesses:
    """Counts wrong tokens by where they came from."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def add(self, address: str, now: float) -> int:
        """Takes a wrong token; returns how many came from there within the last minute."""
        count, since = self._wrong.pop(address, (0, now))
        if now - since > _WRONG_WITHIN_S:
            count, since = 0, now
        self._wrong[address] = (count + 1, since)
        if len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)
        return count + 1

    def too_many(self, address: str, now: float) -> bool:
        """Whether further tokens from there are not looked at for now."""
        count, since = self._wrong.get(address, (0, now))
        return count >= _MOST_WRONG and now - since <= _WRONG_WITHIN_S


class Guard:
    """Decides over requests; knows the token."""

    def __init__(self, token: str, port: int, hosts: Iterable[str], *, tls: bool) -> None:
        """Knows nobody yet.

        Args:
            token: that lets in.
            port: of the server; browsers send cookies to all ports of a host, so its number is in the name of ours.
            hosts: further names of this machine.
            tls: whether the connection is encrypted.
        """
        self._token = token.encode()
        # Not the token itself: what a browser keeps is worth nothing elsewhere.
        self._session = hmac.new(self._token, b"rig_capture console session", hashlib.sha256).hexdigest()
        self._cookie = f"rig_capture_{port}"
        self._tls = tls
        name = socket.gethostname().lower()
        self._hosts = {"localhost", name, name.partition(".")[0], f"{name.partition('.')[0]}.local", *(host.lower() for host in hosts)}
        self.guesses = WrongGuesses()

    def is_token(self, text: str) -> bool:
        """Whether this is the token; takes the same time whatever it is."""
        return hmac.compare_digest(text.encode(), self._token)

    def knows_cookie(self, request: web.Request) -> bool:
        """Whether the browser has logged in."""
        return hmac.compare_digest(request.cookies.get(self._cookie, "").encode(), self._session.encode())

    def bearer(self, request: web.Request) -> str | None:
        """The token that a script sends; None where it sends none."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return token.strip() if kind.lower() == "bearer" else None

    def let_in(self, response: web.StreamResponse) -> None:
        """Gives a browser the cookie."""
        response.set_cookie(self._cookie, self._session, max_age=_COOKIE_S, httponly=True, samesite="Strict", secure=self._tls, path="/")

    def send_away(self, response: web.StreamResponse) -> None:
        """Takes it back."""
        response.del_cookie(self._cookie, path="/", httponly=True, samesite="Strict", secure=self._tls)

    def knows_host(self, request: web.Request) -> bool:
        """Whether the name under which we are called is ours: an address always is, since no website is called so."""
        host = _host_of(request.headers.get("Host", ""))
        if host in self._hosts:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True

    def is_own_page(self, request: web.Request) -> bool:
        """Whether a request comes from our own page, where the browser says from which."""
        origin = request.headers.get("Origin")
        return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("Host", "").lower()

    def too_many_guesses(self, request: web.Request) -> bool:
        """Whether tokens from there are not looked at for now."""
        return self.guesses.too_many(request.remote or "", time.monotonic())

    def wrong_guess(self, request: web.Request) -> None:
        """Notes a wrong token."""
        self.guesses.add(request.remote or "", time.monotonic())


def _host_of(text: str) -> str:
    """The host of a Host header, without port and brackets; empty where it is none."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+))(?::\d+)?", text)
    return (found[1] or found[2]).lower().rstrip(".") if found else ""
