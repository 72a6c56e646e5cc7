"""The user's own profiles as files."""

import os
from pathlib import Path

import pytest

from rig_capture.profiles.errors import ProfileError, ProfileExists, ProfileNotFound, ProfileProtected
from rig_capture.profiles.files import check_files
from rig_capture.profiles.load import load_profile, user_profiles_dir
from rig_capture.profiles.manage import create_profile, delete_profile, list_profiles, update_profile, values_of
from test.profiles.conftest import WriteProfile


def test_a_new_profile_extends_its_base() -> None:
    path = create_profile("bench3", "lab")
    assert path == user_profiles_dir() / "bench3.yaml"
    assert load_profile("bench3").profile.store == "s3://rig-capture"
    assert load_profile(str(create_profile("plain"))).profile.rig == "sim"


def test_a_profile_is_made_only_once() -> None:
    create_profile("mine")
    with pytest.raises(ProfileExists, match="profile update mine"):
        create_profile("mine")


@pytest.mark.parametrize("name", ["a/b", "", "../x", "a b", "x.yaml", ".hidden"])
def test_a_name_that_can_be_no_file_is_refused(name: str) -> None:
    with pytest.raises(ProfileError, match="can't be a profile's name"):
        create_profile(name)


def test_a_missing_base_leaves_no_file() -> None:
    with pytest.raises(ProfileNotFound):
        create_profile("mine", "nothing")
    assert not user_profiles_dir().exists() or not list(user_profiles_dir().iterdir())


def test_comments_and_order_survive_a_change(write_profile: WriteProfile) -> None:
    text = "# top\nextends: sim\nrig: mine  # our name\n\n# the front camera\ncameras:\n  camera_front: {fps: 30}  # slow\n"
    path = write_profile("mine", text)
    update_profile("mine", {"cameras.camera_front.fps": "15", "storage_limit": "2gb"})
    assert path.read_text() == text.replace("fps: 30", "fps: 15") + "storage_limit: 2gb\n"


def test_the_default_profile_is_changed_where_none_is_named() -> None:
    path = update_profile(None, {"offline": True})
    assert path == user_profiles_dir() / "default.yaml"
    profile = load_profile().profile
    assert profile.offline is True
    assert "camera_front" in profile.cameras


def test_a_packaged_profile_is_changed_through_a_file_of_the_users_own() -> None:
    update_profile("lab", {"cameras.camera_front.source": "/dev/video7"})
    assert load_profile("lab").profile.cameras["camera_front"].source == "/dev/video7"
    assert load_profile("lab").profile.cameras["camera_front"].driver == "v4l2"


@pytest.mark.parametrize(
    "changes",
    [{"threads": "0"}, {"nothing": "1"}, {"storage_limit": "2 bananas"}, {"extends": "mine"}, {"rig.deeper": "x"}, {"": "x"}],
)
def test_an_invalid_change_leaves_the_file_as_it_was(write_profile: WriteProfile, changes: dict[str, str]) -> None:
    path = write_profile("mine", "extends: sim\n# mine\n")
    with pytest.raises(ProfileError):
        update_profile("mine", changes)
    assert path.read_text() == "extends: sim\n# mine\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_removed_key_goes_back_to_the_base_and_takes_its_empty_section_along() -> None:
    update_profile("sim", {"cameras.camera_front.fps": "15", "rig": "mine"})
    path = update_profile("sim", {}, ["cameras.camera_front.fps"])
    assert load_profile("sim").profile.cameras["camera_front"].fps == 30
    assert path.read_text() == "extends: sim\nrig: mine\n"
    with pytest.raises(ProfileError, match="nothing to take back"):
        update_profile("sim", {}, ["threads"])


def test_null_in_a_change_leaves_a_sensor_out() -> None:
    update_profile("sim", {"cameras.camera_side": "null"})
    assert set(load_profile("sim").profile.cameras) == {"camera_front"}


@pytest.mark.parametrize("key", ["api_key", "secret_access_key", "catalog_password"])
def test_secrets_are_refused_with_where_they_belong(key: str) -> None:
    with pytest.raises(ProfileError, match="credentials_file") as caught:
        update_profile("sim", {key: "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert not (user_profiles_dir() / "sim.yaml").exists()


def test_a_credentials_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.yaml"
    with pytest.raises(ProfileError, match="can't be read"):
        update_profile("sim", {"credentials_file": str(secrets)})
    secrets.write_text("access_key_id: x\n")
    secrets.chmod(0o640)
    with pytest.raises(ProfileError, match="chmod 600"):
        update_profile("sim", {"credentials_file": str(secrets)})
    secrets.chmod(0o600)
    update_profile("sim", {"credentials_file": str(secrets)})
    assert load_profile("sim").profile.credentials_file == str(secrets)


def test_a_change_keeps_the_files_mode_and_follows_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text("extends: sim\n")
    real.chmod(0o640)
    user_profiles_dir().mkdir(parents=True)
    (user_profiles_dir() / "mine.yaml").symlink_to(real)
    update_profile("mine", {"threads": 2})
    assert (user_profiles_dir() / "mine.yaml").is_symlink()
    assert (real.read_text(), oct(os.stat(real).st_mode & 0o777)) == ("extends: sim\nthreads: 2\n", "0o640")


def test_default_packaged_and_extended_profiles_are_protected() -> None:
    update_profile(None, {"threads": 2})
    for name in ("default", "lab"):
        with pytest.raises(ProfileProtected):
            delete_profile(name)
    create_profile("base")
    create_profile("top", "base")
    with pytest.raises(ProfileProtected, match=r"top\.yaml extends it"):
        delete_profile("base")
    delete_profile("top")
    delete_profile("base")
    with pytest.raises(ProfileNotFound):
        load_profile("base")


def test_deleting_changes_of_a_packaged_profile_brings_it_back() -> None:
    update_profile("lab", {"rig": "mine"})
    delete_profile("lab")
    assert load_profile("lab").profile.rig == "lab"


def test_the_list_shows_all_and_names_what_is_wrong(write_profile: WriteProfile) -> None:
    write_profile("broken", "nothing: 1\n")
    create_profile("mine", "field")
    entries = {entry.name: entry for entry in list_profiles()}
    assert set(entries) == {"broken", "default", "field", "lab", "mine", "sim"}
    assert "unknown key" in entries["broken"].problem
    assert (entries["mine"].packaged, entries["lab"].packaged, entries["lab"].problem) == (False, True, "")
    assert entries["mine"].description == entries["field"].description


def test_values_are_listed_flat_with_their_origin() -> None:
    update_profile("sim", {"threads": 2})
    loaded = load_profile("sim", environment={"RIG_CAPTURE_OFFLINE": "yes"})
    values = {value.key: value for value in values_of(loaded, all_values=True)}
    assert values["offline"].origin == "$RIG_CAPTURE_OFFLINE"
    assert values["threads"].origin.endswith("sim.yaml:2")
    assert values["cameras.camera_front.quality"].origin == "default"
    assert "cameras.camera_front.quality" not in {value.key for value in values_of(loaded, all_values=False)}


def test_missing_files_are_named_with_the_line(tmp_path: Path, write_profile: WriteProfile) -> None:
    path = write_profile("mine", f"cameras:\n  a: {{driver: file, source: {tmp_path}/no.mkv}}\nca_bundle: /no/such.pem\n")
    with pytest.raises(ProfileError) as caught:
        check_files(load_profile("mine"))
    assert f"{path}:3: ca_bundle: /no/such.pem: no such file" in str(caught.value)
    assert f"{path}:2: cameras.a.source: {tmp_path}/no.mkv: no such file" in str(caught.value)
    check_files(load_profile("sim"))
