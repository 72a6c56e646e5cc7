"""A test of synchronisation as one HTML page."""

from html import escape

from rig_capture.reporting.html import count, document, figure, section, table, wide
from rig_capture.reporting.svg import scatter
from rig_capture.reporting.sync.measure import Apart, SyncReport, drift_told

_KINDS = {"audio_video": "sound to picture", "camera_camera": "camera to camera"}


def render_sync(report: SyncReport) -> str:
    """A report as a page."""
    title = f"Synchronisation of session {report.session}"
    facts = [
        ("Sound to picture", _told(report.audio_video_ms)),
        ("Camera to camera", _told(report.camera_camera_ms)),
        ("Events", str(report.events) + (f"; {report.skipped} more beside which a frame is missing" if report.skipped else "")),
        ("Stamps", "on the common clock of all hosts" if report.clock == "common" else "as each host's own clock had them"),
    ]
    overview = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    lines = [(f"{pair.first} / {pair.second}", [*zip(pair.at_s, pair.errors_ms, strict=True)]) for pair in report.pairs]
    told = f"Error of {count(len(lines), 'pair')} of streams over time; the table below tells the same in numbers"
    headings = ("First", "Second", "What", "Events", "Median", "95 % within", "Spread", "Drift")
    rows = [
        (
            pair.first,
            pair.second,
            _KINDS[pair.kind],
            pair.events,
            f"{pair.apart_ms.median:+.3f} ms",
            f"{pair.apart_ms.p95:.3f} ms",
            f"{pair.apart_ms.spread:.3f} ms",
            drift_told(pair.apart_ms) or "not known",
        )
        for pair in report.pairs
    ]
    caption = (
        "How much later the second has the same event, by its stamps, than the first; the spread is from the 5th to the 95th percentile"
    )
    plot = figure(wide(scatter(lines, "ms", told)), "Each dot is one event; the stamp of the second stream minus that of the first")
    sections = [
        f"<h1>{escape(title)}</h1>\n<dl>{overview}</dl>",
        section("What to know", f"<ul>{notes}</ul>") if notes else "",
        section("Error over time", plot),
        section("Pairs of streams", table(caption, headings, rows)),
    ]
    return document(title, sections, f"Made by rig_capture {report.version} at {report.made_at}.")


def _told(apart: Apart | None) -> str:
    if apart is None:
        return "nothing to compare"
    drift = "" if apart.drift_ppm is None else f", drift {drift_told(apart)}"
    return f"{apart.median:+.3f} ms, 95 % within {apart.p95:.3f} ms{drift}"
