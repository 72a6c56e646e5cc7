"""The console's token: given by its owner, or made once and kept in a file that only the owner reads."""

import secrets
import stat
from pathlib import Path

from rig_capture.console.errors import ConsoleError
from rig_capture.console.guard import LEAST_TOKEN
from rig_capture.delivery.credentials import load_credentials
from rig_capture.session.atomic import write_atomic


class TokenError(ConsoleError):
    """A token that can't be used, or can't be kept."""


def console_token(credentials_file: str, kept: Path) -> str:
    """The token.

    Args:
        credentials_file: YAML file with mode 600 that may hold `console_token`; empty: none. $RIG_CAPTURE_CONSOLE_TOKEN beats it.
        kept: file of the one that is made where none is given; it stays the same over restarts.

    Raises:
        TokenError: it is too short, or the file can't be used.
        CredentialsError: the credentials file can't be used.
    """
    given = load_credentials(credentials_file).console_token.get_secret_value()
    if given:
        if len(given) < LEAST_TOKEN:
            raise TokenError(f"console_token has {len(given)} characters and could be guessed; take {LEAST_TOKEN} or more")
        return given
    try:
        return _kept(kept) or _made(kept)
    except OSError as error:
        raise TokenError(f"{kept}: the console's token can't be kept: {error.strerror}; mend that, or give one in a file") from error


def _kept(file: Path) -> str:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except FileNotFoundError:
        return ""
    if mode & 0o077:
        raise TokenError(f"{file}: others may read it (mode {mode:o}); remove it, and a new token is made")
    text = file.read_text(encoding="utf-8").strip()
    return text if len(text) >= LEAST_TOKEN else ""


def _made(file: Path) -> str:
    token = secrets.token_urlsafe(24)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(file, f"{token}\n".encode(), 0o600)
    return token
