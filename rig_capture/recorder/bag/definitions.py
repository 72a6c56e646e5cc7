"""Message definitions, from the .msg files that are installed, so that a bag can be read where nothing is installed."""

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from rig_capture.recorder.errors import UnknownType

if TYPE_CHECKING:
    from rosbags.interfaces.typing import Typesdict


class Definitions:
    """Definitions of all message types asked for, with the types they are made of."""

    def __init__(self) -> None:
        self.store: Typestore = get_typestore(Stores.EMPTY)
        self._read: set[str] = set()

    def text(self, type_name: str) -> str:
        """A type's definition with all it is made of, as rosbag2 embeds it (encoding ``ros2msg``).

        Raises:
            UnknownType: no .msg file of that type is installed.
        """
        self.need(type_name)
        return self.store.generate_msgdef(type_name, ros_version=2)[0]

    def service_texts(self, type_name: str) -> tuple[str, str]:
        """Definitions of a service's request and answer, each with all it is made of (encoding ``ros2msg``).

        Raises:
            UnknownType: no .srv file of that type, or no .msg file of what it is made of, is installed.
        """
        both = _definition_file(type_name, "srv").read_text(encoding="utf-8")
        request, answer = re.split(r"^---\s*$", both, maxsplit=1, flags=re.MULTILINE)
        # As messages, since the library knows no services.
        name = type_name.replace("/srv/", "/msg/")
        parts = {f"{name}_Request": request, f"{name}_Response": answer}
        for part, text in parts.items():
            self._register(get_types_from_msg(text, part))
        of_request, of_answer = (self.store.generate_msgdef(part, ros_version=2)[0] for part in parts)
        return of_request, of_answer

    def type_hash(self, type_name: str) -> str:
        """A type's hash by REP 2011, ``RIHS01_`` and 64 hex digits."""
        self.need(type_name)
        return self.store.hash_rihs01(type_name)

    def starts_with_header(self, type_name: str) -> bool:
        """Whether a type's first field is a std_msgs/Header."""
        self.need(type_name)
        fields = self.store.fielddefs[type_name][1]
        return bool(fields) and fields[0][1] == (Nodetype.NAME, "std_msgs/msg/Header")

    def need(self, type_name: str) -> None:
        """Reads a type's definition, and those of the types it is made of. Raises UnknownType."""
        if type_name in self._read:
            return
        self._read.add(type_name)
        types = get_types_from_msg(_definition_file(type_name, "msg").read_text(encoding="utf-8"), type_name)
        self._register(types)

    def _register(self, types: "Typesdict") -> None:
        # The store refuses types it has, and a file yields only its own.
        self.store.register({name: fields for name, fields in types.items() if name not in self.store.fielddefs})
        for _, fields in types.values():
            for _, descriptor in fields:
                for nested in _named_types(descriptor):
                    self.need(nested)


def _named_types(descriptor: object) -> list[str]:
    """Names of message types in a rosbags field descriptor, through arrays and sequences."""
    if not isinstance(descriptor, tuple):
        return []
    kind, inner = descriptor
    if kind == Nodetype.NAME:
        return [inner]
    return _named_types(inner[0]) if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE) else []


@lru_cache
def _definition_file(type_name: str, kind: str) -> Path:
    package, _, name = type_name.partition(f"/{kind}/")
    try:
        path = Path(get_package_share_directory(package)) / kind / f"{name}.{kind}"
    except (PackageNotFoundError, ValueError) as error:
        raise UnknownType(f"message type {type_name}: package {package!r} is not installed; install it or leave the topic out") from error
    if not path.is_file():
        raise UnknownType(f"message type {type_name}: {path} is not there; is the type's name right?")
    return path
