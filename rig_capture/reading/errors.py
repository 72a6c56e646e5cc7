"""What can keep a session, or part of it, from being read."""

from collections.abc import Sequence

from rig_capture.session.errors import SessionError


class ReadingError(SessionError):
    """Something of a session that can't be read; the message names it, the reason and the remedy."""


class UnknownStream(ReadingError):
    """A session has no stream of such a name, or one of another kind."""


class NoCommonClock(ReadingError):
    """The stamps of a session can't be laid onto one clock; the message says which host's clock is not known."""


class Incomplete(ReadingError):
    """Not everything that should be there could be read; raised after all that could.

    Attributes:
        stream: its name.
        read: how many frames, blocks or messages were given out.
        expected: how many there should have been; None where that is not known.
        last_stamp_ns: stamp of the last that was given out; None where there was none.
        expected_last_ns: stamp of the last there should have been; None where that is not known.
        reasons: what is wrong, one sentence per file or place.
    """

    def __init__(
        self,
        stream: str,
        read: int,
        expected: int | None,
        last_stamp_ns: int | None,
        expected_last_ns: int | None,
        reasons: Sequence[str],
    ) -> None:
        of = "" if expected is None else f" of {expected}"
        ends = "" if last_stamp_ns is None else f"; the last that was read has the stamp {last_stamp_ns} ns"
        if last_stamp_ns is not None and expected_last_ns is not None and expected_last_ns > last_stamp_ns:
            ends += f", {(expected_last_ns - last_stamp_ns) / 1e9:.3f} s before the stream's last"
        super().__init__(f"{stream}: {read}{of} could be read{ends}: {'; '.join(reasons) or '`rig verify` tells what is wrong'}")
        self.stream, self.read, self.expected = stream, read, expected
        self.last_stamp_ns, self.expected_last_ns = last_stamp_ns, expected_last_ns
        self.reasons = tuple(reasons)


class ExtraMissing(ReadingError):
    """A Python package that only some methods need."""

    def __init__(self, what: str, extra: str, reason: object) -> None:
        super().__init__(f"{what} needs a Python package that is not installed ({reason}); run: ./rig extra {extra}")
        self.extra = extra
