"""The files of the page."""

import hashlib
import mimetypes
from pathlib import Path, PurePosixPath

from aiohttp import web

from rig_capture.console.guard import SAFE

PAGE = Path(__file__).absolute().parent / "page"
LOGIN = PAGE / "login.html"

_PUBLIC = frozenset({".css", ".svg", ".png", ".ico", ".webmanifest"})
"""Suffixes of what the login page may need."""
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json", ".css": "text/css"}


def is_public(request: web.Request) -> bool:
    """Whether a file is served to everybody: what the login page consists of. It holds no data of the rig."""
    name = PurePosixPath(request.path)
    if request.method not in SAFE or request.path.startswith("/api/"):
        return False
    return name.suffix in _PUBLIC or name.name in ("login.html", "login.js")


async def serve(request: web.Request) -> web.StreamResponse:
    """A file of the page; only names of files that are there are ever opened."""
    name = request.path.removeprefix("/") or "index.html"
    found = {str(path.relative_to(PAGE)): path for path in PAGE.rglob("*") if path.is_file()}.get(name)
    if found is None:
        raise web.HTTPNotFound(reason="there is nothing of that name")
    kind = _TYPES.get(found.suffix) or mimetypes.guess_type(found.name)[0] or "application/octet-stream"
    text = kind.startswith("text/") or kind == "image/svg+xml"
    data = found.read_bytes()
    tag = hashlib.sha256(data).hexdigest()[:32]
    headers = {"Cache-Control": "no-cache", "ETag": f'"{tag}"'}
    if any(known.value == tag for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=data, content_type=kind, charset="utf-8" if text else None, headers=headers)
