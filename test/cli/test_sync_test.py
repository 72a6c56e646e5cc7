"""What `rig sync-test` records by itself."""

from pathlib import Path

from rig_capture.cli.sync_test import profile_for_test


def test_synthetic_devices_of_a_rig_that_is_started_flash_and_beep(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("cameras: {one: {}, film: {driver: lavfi, source: testsrc2}}\nmicrophones: {mic: {}}\n")
    profile = profile_for_test(str(path), ["cameras.one.fps=25"], "sync_test_only", None, tmp_path).profile
    assert {name: camera.pattern for name, camera in profile.cameras.items()} == {"one": "flash_beep", "film": "scene"}
    assert profile.cameras["one"].fps == 25
    assert profile.microphones["mic"].pattern == "flash_beep"
    kept = profile_for_test(str(path), ["cameras.one.pattern=scene"], "sync_test_only", None, tmp_path).profile
    assert kept.cameras["one"].pattern == "scene"
