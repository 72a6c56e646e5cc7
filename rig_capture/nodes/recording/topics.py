"""Which topics are recorded beside the rig's own: by name, by pattern, by type; also those that appear while recording."""

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from rclpy.node import Node

from rig_capture.owned_thread import OwnedThread
from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.errors import RecordingError
from rig_capture.recorder.images.reading import IMAGE_TYPES
from rig_capture.recorder.streams import StreamSpec

log = logging.getLogger(__name__)

_LOOK_S = 0.5
_REGEX = "re:"
_TYPE = "type:"

Resolve = Callable[[str], str]
"""Makes a topic's name absolute."""


class BadPattern(RecordingError):
    """A pattern that can't be read."""


@dataclass(frozen=True)
class TopicSelection:
    """What an operator wrote under `topics` and `exclude`."""

    names: tuple[str, ...]
    """As written; these are recorded whatever `exclude` says."""
    wanted: tuple[re.Pattern[str], ...]
    """Of absolute names."""
    wanted_types: tuple[str, ...]
    """May hold ``*``."""
    unwanted: tuple[re.Pattern[str], ...]
    unwanted_types: tuple[str, ...]

    @classmethod
    def parse(cls, topics: Iterable[str], exclude: Iterable[str], resolve: Resolve) -> "TopicSelection":
        """Reads both lists.

        Args:
            topics: names; patterns in which ``*`` stands for part of one name and ``**`` for any number of names; regular
                expressions as ``re:/robot/(a|b)/.*``, for the whole absolute name; types as ``type:sensor_msgs/msg/Image``.
            exclude: the same, for what patterns and types leave out.
            resolve: makes names and patterns absolute.

        Raises:
            BadPattern: a regular expression that is none.
        """
        topics = tuple(topics)
        names = tuple(dict.fromkeys(text for text in topics if not is_pattern(text)))
        return cls(
            names,
            tuple(_patterns((text for text in topics if is_pattern(text)), resolve)),
            tuple(_types(topics)),
            tuple(_patterns(exclude := tuple(exclude), resolve)),
            tuple(_types(exclude)),
        )

    @property
    def open_ended(self) -> bool:
        """Whether topics that appear later may belong to it."""
        return bool(self.wanted or self.wanted_types)

    def takes(self, topic: str, type_name: str) -> bool:
        """Whether patterns and types want an absolute topic. Hidden topics, with a name that begins with ``_``, they never want."""
        if "/_" in topic or _matches(topic, type_name, self.unwanted, self.unwanted_types):
            return False
        return _matches(topic, type_name, self.wanted, self.wanted_types)


def is_pattern(text: str) -> bool:
    """Whether an entry may stand for more than one topic."""
    return text.startswith((_REGEX, _TYPE)) or any(character in text for character in "*?[")


def own_side_topics(specs: Iterable[StreamSpec]) -> Iterator[str]:
    """Topics of the rig's own cameras that show what is recorded already: previews and raw pictures."""
    for spec in specs:
        if spec.kind == "video" and spec.topic.endswith("/video"):
            base = spec.topic.removesuffix("/video")
            yield from (f"{base}/image_raw", f"{base}/image_raw/compressed")


def topic_spec(name: str, type_name: str, settings: RecorderSettings) -> StreamSpec:
    """How a topic beside the rig's own is recorded."""
    return StreamSpec("video" if settings.images == "video" and type_name in IMAGE_TYPES else "topic", name, type_name)


class TopicWatch:
    """Looks at the graph for topics that a selection takes, once or, from `start` to `stop`, in a thread of its own.

    A look of the thread that fails is told, and the next one comes all the same.
    """

    def __init__(
        self,
        node: Node,
        selection: TopicSelection,
        known: set[str],
        found: Callable[[str, str], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Looks at nothing yet.

        Args:
            node: sees the graph.
            selection: what is wanted.
            known: absolute topics that are recorded already, or never by patterns; grows with what is found.
            found: told, in the thread, of each topic that appears, absolute, and its type.
            failed: told, in the thread, why a look failed; once where the next ones fail of the same.
        """
        self._node, self._selection, self._known = node, selection, known
        self._found, self._failed = found, failed
        self._told = ""
        self._ending = threading.Event()
        self._thread = OwnedThread("topics", self._run)

    def look(self) -> Iterator[tuple[str, str]]:
        """Topics that are new since the last look, absolute, with their types."""
        for topic, types in self._node.get_topic_names_and_types():
            if topic not in self._known and self._selection.takes(topic, types[0]):
                self._known.add(topic)
                yield topic, types[0]

    def start(self) -> None:
        """Begins to look again and again, where topics may still appear."""
        if self._selection.open_ended:
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread and joins it."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(_LOOK_S):
            try:
                for topic, type_name in self.look():
                    self._found(topic, type_name)
            except Exception as error:
                if repr(error) != self._told:
                    self._told = repr(error)
                    log.exception("a look for topics failed")
                    self._failed(error)


def _matches(topic: str, type_name: str, patterns: Iterable[re.Pattern[str]], types: Iterable[str]) -> bool:
    return any(pattern.fullmatch(topic) for pattern in patterns) or any(fnmatchcase(type_name, wanted) for wanted in types)


def _types(texts: Iterable[str]) -> Iterator[str]:
    return (text.removeprefix(_TYPE) for text in texts if text.startswith(_TYPE))


def _patterns(texts: Iterable[str], resolve: Resolve) -> Iterator[re.Pattern[str]]:
    for text in texts:
        if text.startswith(_REGEX):
            try:
                yield re.compile(text.removeprefix(_REGEX))
            except re.error as error:
                raise BadPattern(f"topic pattern {text!r} is no regular expression: {error}") from error
        elif not text.startswith(_TYPE):
            yield re.compile(_glob(text, resolve))


def _glob(text: str, resolve: Resolve) -> str:
    """A regular expression for a pattern; relative ones begin in the rig's namespace."""
    absolute = text if text.startswith("/") else resolve("x").removesuffix("x") + text
    parts = re.split(r"(\*\*|\*|\?|\[[^\]]+\])", absolute)
    known = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(known.get(part, part if part.startswith("[") and part.endswith("]") else re.escape(part)) for part in parts)
