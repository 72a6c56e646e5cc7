"""A stream's row in the manifest."""

from typing import Any

from rig_capture.recorder.streams import StreamCounter
from rig_capture.recorder.tracks.matroska import MatroskaStream
from rig_capture.recorder.tracks.samples import AudioFormat, VideoFormat
from rig_capture.session.levels import LevelSummary
from rig_capture.session.manifest import StreamEntry


def stream_entry(counter: StreamCounter, track: MatroskaStream | None) -> StreamEntry:
    """What was counted of a stream, and what its files hold where it has a track."""
    form = track.format if track else None
    settings: dict[str, Any] = {}
    if isinstance(form, VideoFormat):
        settings = {"width": form.width, "height": form.height}
    elif isinstance(form, AudioFormat):
        settings = {"sample_rate": form.sample_rate, "channels": form.channels}
        if track is not None and track.codec != form.codec:
            settings["encoded_from"] = form.codec
    return StreamEntry(
        kind=counter.spec.kind,
        topic=counter.spec.topic,
        type=counter.spec.type,
        codec=track.codec if track else "",
        settings=settings | counter.settings,
        note=counter.note,
        host=counter.host,
        messages=counter.messages,
        bytes=counter.bytes,
        first_stamp_ns=counter.first_stamp_ns,
        last_stamp_ns=counter.last_stamp_ns,
        rate_hz=counter.mean_rate_hz,
        loss=counter.loss,
        gaps=tuple(counter.gaps),
    )


def with_levels(entry: StreamEntry, summary: LevelSummary | None) -> StreamEntry:
    """A stream's row with what its levels sum up to."""
    if summary is None or entry.kind != "audio":
        return entry
    return entry.model_copy(update={"levels": summary.channels, "overruns": summary.overruns})
