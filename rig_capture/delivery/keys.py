"""Where things lie in an object store.

``recordings/<rig>/<recording id>/<node>/<path>``, for every file of the manifest, and ``.../<node>/manifest.json``, which is
put last: where it is, everything it names is. <node> is the manifest's node id, or the host's name where it has none. All
nodes of one recording share ``recordings/<rig>/<recording id>/``, just as they share the recording hash, which is made from
the same two. Characters of rig, id and node other than letters, digits and ``_.-~`` are percent-encoded.
"""

import re
from urllib.parse import quote

from rig_capture.delivery.errors import UnsafeName
from rig_capture.session.manifest import Manifest

ROOT = "recordings/"
MANIFEST = "manifest.json"

LONGEST_KEY = 1024
"""Bytes of UTF-8, the limit of S3."""
LONGEST_NAME = 255
"""Bytes of UTF-8 between two slashes, the limit of file systems."""

_NO_NAMES = frozenset({"", ".", ".."})
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def node_name(manifest: Manifest) -> str:
    """What tells the nodes of one recording apart."""
    return manifest.node_id or manifest.node_hostname


def prefix_of(manifest: Manifest) -> str:
    """What the keys of one node's files begin with; ends in a slash.

    Raises:
        UnsafeName: rig, recording id or node can't be part of a key.
    """
    parts = (("rig", manifest.rig), ("recording_id", manifest.recording_id), ("node", node_name(manifest)))
    return ROOT + "".join(_encoded(what, text) + "/" for what, text in parts)


def key_of(prefix: str, path: str) -> str:
    """The key of a file of the session.

    Raises:
        UnsafeName: the path is absolute, not plain, too long, or can't be written in UTF-8.
    """
    if not _NO_NAMES.isdisjoint(path.split("/")):
        raise UnsafeName(f"the manifest names {path!r}, which is not a plain relative path; refused")
    if _CONTROL.search(path):
        raise UnsafeName(f"the manifest names {path!r}, which holds control characters; refused")
    key = prefix + path
    length = _length(key)
    if length > LONGEST_KEY or (length > LONGEST_NAME and any(_length(part) > LONGEST_NAME for part in key.split("/"))):
        raise UnsafeName(f"the manifest names {path[:80]!r}..., which is too long for a key; refused")
    return key


def check_text(text: str) -> None:
    """Refuses what a catalog can't keep: text that is no Unicode, or holds NUL.

    Raises:
        UnsafeName: naming it.
    """
    _length(text)
    if "\0" in text:
        raise UnsafeName(f"the manifest holds {text!r}, which has a NUL in it; refused")


def _encoded(what: str, text: str) -> str:
    check_text(text)
    if not text or text in {".", ".."}:
        raise UnsafeName(f"the manifest's {what} is {text!r}, which can't be part of a key; refused")
    return quote(text, safe="")


def _length(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise UnsafeName(f"the manifest names {text!r}, which is not Unicode text; refused") from error
