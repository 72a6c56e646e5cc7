"""What is noted of streams that could not be estimated, so that no restart tries them for ever."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from rig_capture.estimation.errors import EstimationError
from rig_capture.session.atomic import write_atomic


class NotesError(EstimationError):
    """A file of notes that can't be used."""


class Failure(BaseModel):
    """A stream that could not be estimated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int = Field(ge=1)
    error: str
    """TYPE: MESSAGE, of the last attempt."""
    at: AwareDatetime
    """Of the last attempt."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    failures: dict[str, Failure] = {}


class FailureNotes:
    """Failures by "SESSION/STREAM/MODEL"; each change is on disk when it returns. For one thread."""

    def __init__(self, path: Path) -> None:
        """Reads what was noted before.

        Raises:
            NotesError: it can't be read.
        """
        self._path = path
        try:
            self.failures: dict[str, Failure] = dict(_File.model_validate_json(path.read_bytes()).failures)
        except FileNotFoundError:
            self.failures = {}
        except (OSError, ValidationError) as error:
            raise NotesError(f"{path}: can't be read: {error}; remove it, and what failed is tried again") from error

    def failed(self, key: str, error: str) -> Failure:
        """Notes another failed attempt. Raises OSError."""
        before = self.failures.get(key)
        failure = Failure(attempts=1 + (before.attempts if before else 0), error=error, at=datetime.now(UTC))
        self._write({**self.failures, key: failure})
        return failure

    def forget(self, keys: set[str]) -> None:
        """Strikes out failures, where they are noted. Raises OSError."""
        if keys & self.failures.keys():
            self._write({key: failure for key, failure in self.failures.items() if key not in keys})

    def _write(self, failures: dict[str, Failure]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, _File(failures=failures).model_dump_json(indent=1).encode() + b"\n")
        self.failures = failures
