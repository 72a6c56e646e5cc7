"""Reports are made in the background; one session of which none can be made keeps no other from its own."""

from pathlib import Path

from rig_capture.reporting.worker import ReportWorker
from test.parts import wait_until


def test_a_session_that_fails_unexpectedly_keeps_no_other_from_its_report(tmp_path: Path) -> None:
    def busy() -> bool:
        raise RuntimeError("nobody knows")

    worker = ReportWorker(tmp_path, busy)
    worker.start()
    for name in ("first", "second"):
        worker.put(tmp_path / name)
    wait_until(lambda: len(worker.failed) == 2, "both are given up")
    worker.stop()
    for name, text in zip(("first", "second"), worker.failed, strict=True):
        assert text.startswith(f"{name}: RuntimeError: nobody knows; it is tried again")
        assert f"`rig report {tmp_path / name} --attach`" in text
