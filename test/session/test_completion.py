"""The completion mark."""

from pathlib import Path

from rig_capture.session.completion import mark_complete
from rig_capture.session.layout import SessionLayout


def test_a_marked_session_has_nothing_left_to_do_and_nothing_half_written(tmp_path: Path) -> None:
    layout = SessionLayout(tmp_path)
    layout.finishing.touch()
    (tmp_path / ".manifest.json.17.tmp").touch()
    layout.manifest.touch()
    mark_complete(layout, ())
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.json", layout.complete_mark.name}
