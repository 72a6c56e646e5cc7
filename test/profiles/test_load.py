"""How a profile's values come together, and what is said where they don't."""

from pathlib import Path

import pytest

from rig_capture.profiles.errors import ProfileError, ProfileNotFound
from rig_capture.profiles.load import PACKAGED, load_profile, profile_names
from rig_capture.profiles.nodes import describe_nodes, describe_processes
from test.profiles.conftest import WriteProfile


def test_packaged_profiles_load_and_the_default_one_is_always_there() -> None:
    assert {"default", "sim", "lab", "field"} <= profile_names()
    for name in ("default", "sim", "lab", "field"):
        assert load_profile(name).profile.description
    assert load_profile().name == "default"


def test_environment_beats_file_and_flag_beats_environment(write_profile: WriteProfile) -> None:
    path = write_profile("mine", "extends: sim\nstorage_limit: 1gb\nthreads: 2\nrig: file\n")
    loaded = load_profile("mine", environment={"RIG_CAPTURE_STORAGE_LIMIT": "2gb", "RIG_CAPTURE_THREADS": "3"}, overrides={"threads": 9})
    assert (loaded.profile.storage_limit, loaded.profile.threads, loaded.profile.rig) == (2_000_000_000, 9, "file")
    assert loaded.origin(("storage_limit",)) == "$RIG_CAPTURE_STORAGE_LIMIT"
    assert loaded.origin(("threads",)) == "flag"
    assert loaded.origin(("rig",)) == f"{path}:4"
    assert loaded.origin(("concurrent_uploads",)) == "default"


def test_each_value_knows_its_file_and_line_through_extends(write_profile: WriteProfile) -> None:
    path = write_profile("mine", "extends: sim\n\ncameras:\n  # the front one\n  camera_front:\n    fps: 15\n")
    loaded = load_profile("mine")
    assert loaded.origin(("cameras", "camera_front", "fps")) == f"{path}:6"
    assert loaded.origin(("cameras", "camera_front", "width")).startswith(str(PACKAGED / "sim.yaml"))
    assert loaded.origin(("cameras", "camera_front", "quality")) == "default"


def test_the_profile_of_the_environment_is_taken_where_none_is_named(write_profile: WriteProfile) -> None:
    write_profile("mine", "rig: mine\n")
    assert load_profile(environment={"RIG_CAPTURE_PROFILE": "mine"}).profile.rig == "mine"
    assert load_profile("sim", environment={"RIG_CAPTURE_PROFILE": "mine"}).profile.rig == "sim"


def test_a_users_profile_may_extend_the_packaged_one_of_its_name(write_profile: WriteProfile) -> None:
    write_profile("lab", "extends: lab\nrig: bench3\n")
    profile = load_profile("lab").profile
    assert profile.rig == "bench3"
    assert set(profile.cameras) == {"camera_front", "camera_side"}


def test_packaged_profiles_build_on_packaged_ones_only(write_profile: WriteProfile) -> None:
    write_profile("sim", "extends: default\nrig: changed\n")
    assert load_profile("default").profile.rig == "sim"
    assert load_profile("sim").profile.rig == "changed"


def test_a_relative_path_in_extends_starts_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "base.yaml").write_text("rig: base\n")
    (tmp_path / "a" / "own.yaml").write_text("extends: base.yaml\nthreads: 7\n")
    monkeypatch.chdir("/")
    loaded = load_profile(str(tmp_path / "a" / "own.yaml"))
    assert (loaded.name, loaded.profile.rig, loaded.profile.threads) == ("own", "base", 7)


def test_profiles_that_extend_each_other_are_an_error(write_profile: WriteProfile) -> None:
    write_profile("a", "extends: b\n")
    write_profile("b", "extends: a\n")
    with pytest.raises(ProfileError, match="extends itself"):
        load_profile("a")


@pytest.mark.parametrize(("text", "message"), [("extends: nothing\n", "no profile 'nothing'"), ("extends: [a, b]\n", "one profile")])
def test_an_impossible_base_is_named_with_its_line(write_profile: WriteProfile, text: str, message: str) -> None:
    path = write_profile("mine", text)
    with pytest.raises(ProfileError, match=message) as caught:
        load_profile("mine")
    assert str(caught.value).startswith(f"{path}:1: extends: ")


def test_null_leaves_a_sensor_or_a_node_out(write_profile: WriteProfile) -> None:
    write_profile("mine", "extends: sim\ncameras: {camera_side: null}\nnetwork: null\n")
    names = {node.name for node in describe_nodes(load_profile("mine").profile)}
    assert names == {"camera_front", "audio_main", "imu", "battery", "clock", "recorder", "uploader", "console", "status"}


def test_null_from_a_flag_or_the_environment_leaves_a_node_out() -> None:
    loaded = load_profile("sim", environment={"RIG_CAPTURE_UPLOADER": "null"}, overrides={"cameras.camera_side": "null"})
    assert loaded.profile.uploader is None
    assert set(loaded.profile.cameras) == {"camera_front"}


def test_small_nodes_share_a_process_by_profile() -> None:
    processes = describe_processes(load_profile("field").profile)
    group = next(process for process in processes if process.executable == "group")
    assert group.arguments == ["imu:imu", "battery:battery", "network:network", "clock:clock", "buttons:buttons", "status:status"]


def test_an_unknown_key_is_named_with_line_a_guess_and_what_is_allowed(write_profile: WriteProfile) -> None:
    path = write_profile("mine", "rig: a\ncameras:\n  front:\n    driver: file\n    widht: 640\n")
    with pytest.raises(ProfileError) as caught:
        load_profile("mine")
    message = str(caught.value)
    assert message.startswith(f"{path}:5: cameras.front.widht: unknown key; did you mean width?; allowed here: ")
    assert "pixel_format" in message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("storage_limit: 2gib", "'2gib' is not a size"),
        ("storage_limit: -1", "'-1' is not a size|-1 is not a size"),
        ("storage_limit: true", "True is not a size"),
        ("bandwidth_limit: 5 mb/s", "is not a size"),
        ("recorder: {chunk_s: 60s}", "unable to parse.*'60s'.*Length of one Matroska chunk"),
        ("recorder: {chunk_s: .nan}", "greater than 0|less than or equal|finite"),
        ("threads: 0", "greater than or equal to 1"),
        ("offline: maybe", "valid boolean"),
        ("cameras: [a]", "a mapping of settings belongs here"),
        ("network: 5", "a mapping of settings belongs here"),
        ("cameras: {1front: {}}", "no ROS node name"),
        ("cameras: {a: {driver: usb}}", "'synthetic', 'file'"),
        ("cameras: {a: {}}\nmicrophones: {a: {}}", "used twice"),
        ("share_process: [nobody]", "names no node"),
    ],
)
def test_wrong_values_name_line_key_and_what_is_allowed(write_profile: WriteProfile, line: str, expected: str) -> None:
    path = write_profile("mine", f"# a comment\n{line}\n")
    with pytest.raises(ProfileError, match=expected) as caught:
        load_profile("mine")
    assert str(caught.value).startswith((f"{path}:2: ", f"{path}: profile: "))


def test_all_problems_are_told_at_once(write_profile: WriteProfile) -> None:
    write_profile("mine", "threads: 0\noffline: maybe\nnothing: 1\n")
    with pytest.raises(ProfileError) as caught:
        load_profile("mine")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("word", ["1", "true", "yes", "y", "on", "True", "YES"])
def test_switches_take_these_as_on(write_profile: WriteProfile, word: str) -> None:
    write_profile("mine", f"offline: {word}\n")
    assert load_profile("mine").profile.offline is True
    assert load_profile("sim", environment={"RIG_CAPTURE_OFFLINE": word}).profile.offline is True


@pytest.mark.parametrize("word", ["0", "false", "no", "n", "off"])
def test_switches_take_these_as_off(word: str) -> None:
    assert load_profile("field", environment={"RIG_CAPTURE_OFFLINE": word}).profile.offline is False


def test_environment_reaches_into_sections_whatever_the_case_of_node_names(write_profile: WriteProfile) -> None:
    write_profile("mine", "cameras: {FrontCam: {fps: 30}}\n")
    loaded = load_profile("mine", environment={"RIG_CAPTURE_CAMERAS__FRONTCAM__FPS": "15", "RIG_CAPTURE_RECORDER__CHUNK_S": "5"})
    assert loaded.profile.cameras["FrontCam"].fps == 15
    assert loaded.profile.recorder is not None
    assert loaded.profile.recorder.chunk_s == 5
    assert loaded.origin(("cameras", "FrontCam", "fps")) == "$RIG_CAPTURE_CAMERAS__FRONTCAM__FPS"


def test_a_mapping_in_the_environment_keeps_its_origin() -> None:
    loaded = load_profile("sim", environment={"RIG_CAPTURE_CAMERAS": "{extra: {fps: 5}}"})
    assert loaded.profile.cameras["extra"].fps == 5
    assert loaded.origin(("cameras", "extra", "fps")) == "$RIG_CAPTURE_CAMERAS"
    assert "camera_front" in loaded.profile.cameras


def test_words_in_the_environment_are_words() -> None:
    environment = {"RIG_CAPTURE_ROOM": "101", "RIG_CAPTURE_SITE": "a: b", "RIG_CAPTURE_DESCRIPTION": "null", "RIG_CAPTURE_TAGS": "[x, 7]"}
    profile = load_profile("sim", environment=environment).profile
    assert (profile.room, profile.site, profile.description, profile.tags) == ("101", "a: b", "null", ("x", "7"))


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_profile("sim", environment={"RIG_CAPTURE_THREADS": "", "RIG_CAPTURE_PROFILE": ""}).profile.threads == 4


def test_an_unknown_variable_is_an_error_that_names_the_allowed_ones() -> None:
    with pytest.raises(ProfileError, match=r"\$RIG_CAPTURE_STORAGE_LIMITS: unknown key; did you mean storage_limit\?.*RIG_CAPTURE_PROFILE"):
        load_profile("sim", environment={"RIG_CAPTURE_STORAGE_LIMITS": "1"})


def test_variables_of_others_and_our_own_other_ones_are_let_be() -> None:
    load_profile("sim", environment={"NCD_OFFLINE": "1", "RIG_CAPTURE_DEBUG": "1", "RIG_CAPTURE_SECRET_ACCESS_KEY": "x"})


def test_a_wrong_flag_is_named_as_a_flag() -> None:
    with pytest.raises(ProfileError, match=r"^flag: cameras\.camera_front\.fpss: unknown key"):
        load_profile("sim", overrides={"cameras.camera_front.fpss": "5"})


@pytest.mark.parametrize("line", ["api_key: hunter2", "password: hunter2", "aws_secret: hunter2", "access_token: hunter2"])
def test_secrets_are_refused_and_never_shown(write_profile: WriteProfile, line: str) -> None:
    write_profile("mine", f"{line}\n")
    with pytest.raises(ProfileError, match="credentials_file") as caught:
        load_profile("mine")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_password_in_an_address_is_refused_and_never_shown(write_profile: WriteProfile) -> None:
    write_profile("mine", "catalog: postgresql://rig:hunter2@db/rig\nstore: [s3://me:hunter2@host/b]\n")
    with pytest.raises(ProfileError, match="holds a password") as caught:
        load_profile("mine")
    assert "hunter2" not in str(caught.value)


def test_a_missing_profile_names_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(ProfileNotFound, match="there are: default, field, lab, sim"):
        load_profile("labb")
    with pytest.raises(ProfileNotFound, match="no such file"):
        load_profile(str(tmp_path / "x.yaml"))
