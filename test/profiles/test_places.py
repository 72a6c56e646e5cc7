"""Where things lie when the settings leave it open."""

from pathlib import Path

import pytest

from rig_capture.profiles.places import catalog_url, sessions_dir, store_url
from rig_capture.profiles.settings.rig import DeliverySettings, StorageSettings


def test_by_default_all_lies_in_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RIG_CAPTURE_DATA_DIR", str(tmp_path))
    assert sessions_dir(StorageSettings()) == tmp_path / "sessions"
    assert store_url(DeliverySettings()) == str(tmp_path / "store")
    assert catalog_url(DeliverySettings()) == str(tmp_path / "catalog.db")


def test_paths_become_absolute_and_addresses_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert sessions_dir(StorageSettings(storage_path="~/here")) == Path.home() / "here"
    assert store_url(DeliverySettings(store="there")) == str(tmp_path / "there")
    assert store_url(DeliverySettings(store="s3://bucket/x")) == "s3://bucket/x"
    assert catalog_url(DeliverySettings(catalog="c.db")) == str(tmp_path / "c.db")
    assert catalog_url(DeliverySettings(catalog="postgresql://u@h/d")) == "postgresql://u@h/d"
