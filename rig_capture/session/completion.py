"""The last step of every session, whoever takes it: the recorder, a repair, or a reconstruction."""

from collections.abc import Iterable

from rig_capture.session.atomic import remove_unfinished, sync_folder
from rig_capture.session.layout import SessionLayout
from rig_capture.session.manifest import FileEntry


def mark_complete(layout: SessionLayout, files: Iterable[FileEntry]) -> None:
    """Sets the completion mark, once all names are on the disk; with it, nothing is left to do and nothing half-written stays.

    Args:
        layout: of the session, whose lock the caller holds and whose manifest is final and on the disk.
        files: all that the manifest lists.

    Raises:
        OSError: the session is not marked.
    """
    remove_unfinished(layout.path)
    for folder in {layout.path, *(layout.resolve(entry.path).parent for entry in files)}:
        sync_folder(folder)
    layout.complete_mark.touch()
    sync_folder(layout.path)
    layout.finishing.unlink(missing_ok=True)
