"""What can keep a movement from being analysed."""

from collections.abc import Iterable
from difflib import get_close_matches

from rig_capture.estimation.errors import EstimationError


class AnalysisError(EstimationError):
    """Poses that can't be analysed as asked: too few, too many missing, of different skeletons. The message says which and what to do."""


class UnknownName(AnalysisError):
    """A joint, angle, signal or person that the predictions don't have."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names)}" if names else "there is none"
        super().__init__(f"{what} {name!r} is not in the predictions; {hint}")
        self.name = name


class ModelFileError(AnalysisError):
    """A saved classifier that is missing, unreadable, of another version, or not what it should be."""


class ModelMismatch(AnalysisError):
    """A classifier was trained on other features than it is given."""

    def __init__(self, missing: Iterable[str], unexpected: Iterable[str], reason: str = "") -> None:
        self.missing, self.unexpected = tuple(missing), tuple(unexpected)
        lists = (("lacks", self.missing), ("has in addition", self.unexpected))
        parts = [reason] * bool(reason) + [f"{verb} {_some(names)}" for verb, names in lists if names]
        super().__init__(
            f"the model was trained on other features; what it is given {', and '.join(parts)}. Train one on the same skeleton"
        )


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
