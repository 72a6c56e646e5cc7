"""Secrets: where they come from, and that they stay secret."""

from pathlib import Path

import pytest

from rig_capture.delivery.credentials import load_credentials
from rig_capture.delivery.errors import CredentialsError


@pytest.fixture
def secrets_file(tmp_path: Path) -> Path:
    """A file with all keys, mode 600."""
    path = tmp_path / "credentials.yaml"
    path.write_text("access_key_id: file-key\nsecret_access_key: file-secret\ncatalog_password: file-password\n")
    path.chmod(0o600)
    return path


def test_the_environment_beats_the_file(secrets_file: Path) -> None:
    credentials = load_credentials(str(secrets_file), {"RIG_CAPTURE_CATALOG_PASSWORD": "from-environment"})
    assert credentials.catalog_password.get_secret_value() == "from-environment"
    assert credentials.secret_access_key.get_secret_value() == "file-secret"


def test_without_anything_all_are_empty() -> None:
    assert load_credentials("", {}).access_key_id.get_secret_value() == ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o610])
def test_a_file_that_others_may_read_is_refused_with_the_remedy(secrets_file: Path, mode: int) -> None:
    secrets_file.chmod(mode)
    with pytest.raises(CredentialsError, match=f"chmod 600 {secrets_file}"):
        load_credentials(str(secrets_file), {})


def test_secrets_are_never_shown(secrets_file: Path) -> None:
    credentials = load_credentials(str(secrets_file), {})
    assert "file-" not in f"{credentials!r} {credentials} {credentials.model_dump()} {credentials.model_dump_json()}"


@pytest.mark.parametrize("text", ["password: s3cret-value\n", "- s3cret-value\n", "{s3cret-value\n", "access_key_id: [s3cret-value]\n"])
def test_a_file_with_something_else_is_an_error_that_does_not_quote_it(secrets_file: Path, text: str) -> None:
    secrets_file.write_text(text)
    with pytest.raises(CredentialsError) as caught:
        load_credentials(str(secrets_file), {})
    assert "s3cret-value" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert str(secrets_file) in str(caught.value)


def test_half_a_key_pair_is_refused() -> None:
    with pytest.raises(CredentialsError, match="belong together"):
        load_credentials("", {"RIG_CAPTURE_ACCESS_KEY_ID": "x"})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"nowhere\.yaml"):
        load_credentials(str(tmp_path / "nowhere.yaml"), {})
