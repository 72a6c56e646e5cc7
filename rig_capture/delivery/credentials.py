"""Secrets: from the environment, a file that only its owner reads, or boto3's own chain. They are never printed or logged."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from rig_capture.delivery.errors import CredentialsError

PREFIX = "RIG_CAPTURE_"
EMPTY = SecretStr("")


class Credentials(BaseModel):
    """Secrets of store, catalog and console. Where both keys are empty, boto3 looks in its usual places."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    access_key_id: SecretStr = EMPTY
    secret_access_key: SecretStr = EMPTY
    session_token: SecretStr = EMPTY
    catalog_password: SecretStr = EMPTY
    console_token: SecretStr = EMPTY


def load_credentials(credentials_file: str = "", environment: Mapping[str, str] | None = None) -> Credentials:
    """Reads the secrets; an environment variable beats the file's key of the same name.

    Args:
        credentials_file: a YAML file with the fields of `Credentials`, mode 600; empty: none.
        environment: variables such as RIG_CAPTURE_ACCESS_KEY_ID; None: those of the process.

    Raises:
        CredentialsError: the file is missing, others may read it, or it holds something else; or half of a key pair is given.
    """
    variables = os.environ if environment is None else environment
    values: dict[str, object] = _read_file(Path(credentials_file).expanduser()) if credentials_file else {}
    for name in Credentials.model_fields:
        if variables.get(PREFIX + name.upper()):
            values[name] = variables[PREFIX + name.upper()]
    try:
        credentials = Credentials.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors(include_input=False))
        # Without the cause: its text could hold what was in the file.
        raise CredentialsError(f"{credentials_file}: {problems}; allowed keys: {', '.join(Credentials.model_fields)}") from None
    if bool(credentials.access_key_id.get_secret_value()) != bool(credentials.secret_access_key.get_secret_value()):
        raise CredentialsError("access_key_id and secret_access_key belong together, and only one of them is given")
    return credentials


def _read_file(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise CredentialsError(f"{path}: others may read this file (mode {mode:03o}); run: chmod 600 {path}")
            values = yaml.safe_load(file)
    except OSError as error:
        raise CredentialsError(f"{path}: can't read the credentials: {error.strerror}") from error
    except yaml.YAMLError:
        raise CredentialsError(f"{path}: not YAML; write lines such as `access_key_id: ...`") from None
    if not isinstance(values, dict):
        raise CredentialsError(f"{path}: not a mapping; write lines such as `access_key_id: ...`")
    return {str(key): value for key, value in values.items()}
