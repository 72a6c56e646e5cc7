"""A report as one HTML file: nothing is loaded from elsewhere, nothing needs JavaScript, and all text from files is escaped."""

import base64
from html import escape

from rig_capture.health.events import Severity
from rig_capture.profiles.units import format_bytes
from rig_capture.reporting.html import count, document, figure, section, table, wide
from rig_capture.reporting.models import (
    HostClock,
    MotionQuality,
    Picture,
    PictureQuality,
    SessionReport,
    SoundQuality,
    StreamQuality,
    Vector,
)
from rig_capture.reporting.svg import histogram, line_chart, timeline
from rig_capture.session.manifest import Loss, iso_time


def render_html(report: SessionReport) -> str:
    """A report as a page."""
    sections = [_overview(report), _problems(report), _time(report), _streams(report), _gaps(report), _jitter(report)]
    sections += [_sound(report), _motion(report), _pictures(report), _clocks(report), _batteries(report), _events(report)]
    return document(f"Session {report.recording_id}", sections, f"Made by rig_capture {report.version} at {report.made_at}.")


def _overview(report: SessionReport) -> str:
    verdict = '<p class="good">✔ Whole: everything is as the manifest says.</p>'
    if not report.whole:
        verdict = f'<p class="bad">✘ Not whole: {count(len(report.problems), "problem")}.</p>'
    lost = sum(stream.loss.total for stream in report.streams)
    gaps = sum(len(stream.gaps) for stream in report.streams)
    facts = [
        ("Participant", report.participant),
        ("Label", report.label + (" (testing mode)" if report.testing_mode else "")),
        ("Rig", f"{report.rig} on {report.host}"),
        ("Place", report.place),
        ("Tags", ", ".join(report.tags)),
        ("Started", report.started_at),
        ("Ended", report.ended_at or "not known"),
        ("Length", f"{report.axis.duration_s:.1f} s"),
        ("State", f"{report.state}, {report.end_reason or 'no reason given'}"),
        ("Messages", f"{sum(stream.messages for stream in report.streams)} in {count(len(report.streams), 'stream')}"),
        ("Lost while recording", f"{count(lost, 'message')}, {count(gaps, 'gap')}"),
        ("Size", f"{format_bytes(report.bytes)} in {count(report.files, 'file')}"),
        ("Software", ", ".join(f"{name} {value}" for name, value in sorted(report.software.items()))),
    ]
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts if value.strip())
    return f"<h1>Session {escape(report.recording_id)}</h1>\n{verdict}\n<dl>{rows}</dl>"


def _problems(report: SessionReport) -> str:
    if report.whole:
        return ""
    return section("What is wrong", "<ul>" + "".join(f"<li>{escape(problem)}</li>" for problem in report.problems) + "</ul>")


def _time(report: SessionReport) -> str:
    if not report.streams:
        return section("Time line", "<p>Nothing was recorded.</p>")
    note = "<p>The height of a lane is the rate of its stream, each against its own largest; what is marked is a gap.</p>"
    return section("Time line", note + wide(timeline(report.streams, report.axis)))


def _streams(report: SessionReport) -> str:
    headings = ("Stream", "Kind", "Messages", "Read", "Rate", "Size", "DDS", "Sequence", "Queue", "Encoder", "Overruns", "Gaps", "Note")
    rows = [
        (
            stream.name,
            stream.codec or stream.type.rpartition("/")[2],
            stream.messages,
            stream.read,
            "" if stream.rate_hz is None else f"{stream.rate_hz:.2f} Hz",
            format_bytes(stream.bytes),
            *_losses(stream.loss),
            stream.overruns,
            len(stream.gaps),
            stream.note,
        )
        for stream in report.streams
    ]
    caption = "Messages as the manifest has them and as they were read, and what was lost where"
    return section("Streams", table(caption, headings, rows)) if rows else ""


def _losses(loss: Loss) -> tuple[int, int, int, int]:
    return loss.dds, loss.sequence, loss.queue, loss.encoder


def _gaps(report: SessionReport) -> str:
    rows = [
        (stream.name, _since(gap.from_ns, report), f"{(gap.to_ns - gap.from_ns) / 1e9:.3f} s", gap.reason)
        for stream in report.streams
        for gap in stream.gaps
    ]
    return section("Gaps", table("Times without data", ("Stream", "After", "Length", "Reason"), rows)) if rows else ""


def _jitter(report: SessionReport) -> str:
    figures = [_histogram(stream) for stream in report.streams if stream.jitter is not None]
    note = (
        "<p>Times between successive stamps against their median. The height of a bar is the square root of its count; the outermost "
        "hold all that is beyond. Stamps of sound are computed from its samples.</p>"
    )
    return section("Jitter", f'{note}<div class="grid">{"".join(figures)}</div>') if figures else ""


def _histogram(stream: StreamQuality) -> str:
    jitter = stream.jitter
    assert jitter is not None
    told = (
        f"{stream.name}: {_ms(jitter.nominal_ms)}, standard deviation {_ms(jitter.std_ms)}, 99 % within {_ms(jitter.p99_ms)}, "
        f"longest {_ms(jitter.largest_ms)}"
    )
    return figure(histogram(jitter, stream.name), told)


def _ms(value: float) -> str:
    return f"{value:.4g} ms" if value >= 0.001 or not value else "less than 0.001 ms"


def _sound(report: SessionReport) -> str:
    return section("Sound", "".join(_loudness(sound, report) for sound in report.sound)) if report.sound else ""


def _loudness(sound: SoundQuality, report: SessionReport) -> str:
    lines = [(f"{number} RMS", channel.rms_dbfs) for number, channel in enumerate(sound.channels)]
    lines += [(f"{number} peak", channel.peak_dbfs) for number, channel in enumerate(sound.channels)]
    told = f"{sound.stream}: level of {count(len(sound.channels), 'channel')} over time"
    chart = figure(wide(line_chart(lines, report.axis, "dBFS", told)), f"Level per channel, from {sound.source}")
    rows = [
        (number, _dbfs(each.peak_dbfs), _dbfs(each.rms_dbfs), each.clipped_blocks, f"{each.flatline_s} s", f"{each.speech_s} s")
        for number, each in enumerate(sound.levels)
    ]
    headings = ("Channel", "Peak", "RMS", "Clipped blocks", "Flat", "Speech")
    whole = table(f"{sound.stream} as a whole, by the manifest", headings, rows) if rows else ""
    return f"<h3>{escape(sound.stream)}</h3>{chart}{whole}"


def _dbfs(level: float | None) -> str:
    return "silence" if level is None else f"{level:.1f} dBFS"


def _motion(report: SessionReport) -> str:
    if not report.motion:
        return ""
    headings = ("Stream", "Samples", "Still", "Noise x, y, z", "Noise of turns x, y, z", "At limit", "Turns at limit")
    rows = [
        (
            motion.stream,
            motion.samples,
            f"{motion.still_s:.1f} s",
            _noise(motion.accel_noise, "m/s²"),
            _noise(motion.gyro_noise, "rad/s"),
            _saturated(motion.accel_saturated, motion.accel_limit, "m/s²"),
            _saturated(motion.gyro_saturated, motion.gyro_limit, "rad/s"),
        )
        for motion in report.motion
    ]
    caption = (
        "Noise is the standard deviation in the seconds in which the sensor lay still; at the limit are samples at the end of its range"
    )
    return section("Motion sensors", table(caption, headings, rows) + "".join(_motions(motion, report) for motion in report.motion))


def _motions(motion: MotionQuality, report: SessionReport) -> str:
    accel = line_chart([("acceleration", motion.accel)], report.axis, "m/s²", f"{motion.stream}: magnitude of acceleration over time")
    gyro = line_chart([("turn rate", motion.gyro)], report.axis, "rad/s", f"{motion.stream}: magnitude of turn rate over time")
    return "".join(
        figure(wide(chart), f"{motion.stream}: magnitude of {what}, mean")
        for chart, what in ((accel, "acceleration"), (gyro, "angular velocity"))
        if chart
    )


def _noise(values: Vector | None, unit: str) -> str:
    return "not known" if values is None else f"{', '.join(f'{value:.3g}' for value in values)} {unit}"


def _saturated(samples: int | None, limit: float | None, unit: str) -> str:
    return "range not known" if samples is None or limit is None else f"{count(samples, 'sample')} at {limit:.4g} {unit}"


def _pictures(report: SessionReport) -> str:
    return section("Pictures", "".join(_sheet(sheet, report) for sheet in report.pictures)) if report.pictures else ""


def _sheet(sheet: PictureQuality, report: SessionReport) -> str:
    cells = "".join(_picture(sheet.stream, picture, report) for picture in sheet.pictures)
    note = "" if cells else "<p>No picture could be read.</p>"
    return f'<h3>{escape(sheet.stream)}</h3>{note}<div class="sheet">{cells}</div>'


def _picture(stream: str, picture: Picture, report: SessionReport) -> str:
    data = base64.b64encode(picture.jpeg).decode("ascii")
    at = _since(picture.stamp_ns, report)
    told = f"{at}, depth, near is bright"
    if picture.brightness is not None and picture.sharpness is not None:
        told = f"{at}, brightness {picture.brightness:.0f} of 255, sharpness {picture.sharpness:.0f}"
    return figure(f'<img src="data:image/jpeg;base64,{data}" alt="{escape(stream)} at {at}" width="240">', told)


def _clocks(report: SessionReport) -> str:
    caption = "What is to be added to a host's stamps, by the line through what was measured; `--clock common` of `rig export` does it"
    headings = ("Host", "Offset", "Known to", "Drift", "Off the line", "Readings", "Against", "Kept right by")
    parts = [table(caption, headings, [_host_clock(clock) for clock in report.host_clocks])] if report.host_clocks else []
    for clock in report.clocks:
        chart = line_chart([("offset", clock.offset_ms)], report.axis, "ms", f"{clock.host}: offset of its clock over time", bridged=True)
        what = f"against {clock.reference}" if clock.reference else "which is the reference itself"
        if chart:
            parts.append(figure(wide(chart), f"Clock of {clock.host}, {what}; largest offset {clock.largest_ms:.3g} ms"))
    return section("Clocks", "".join(parts)) if parts else ""


def _host_clock(clock: HostClock) -> tuple[str, ...]:
    offset = {"reference": "0, the reference", "not_measured": "not measured"}.get(clock.method, "not answered")
    if clock.offset_ms is not None:
        offset = f"{clock.offset_ms:+.3f} ms"
    known, residual = (
        "" if value is None else f"{sign}{value:.3f} ms" for value, sign in ((clock.uncertainty_ms, "±"), (clock.residual_ms, ""))
    )
    drift = "" if clock.drift_ppm is None else f"{clock.drift_ppm:+.2f} ppm"
    source = clock.source + (" (not synchronised)" if clock.synchronised is False else "")
    return clock.host, offset, known, drift, residual, str(clock.readings) if clock.readings else "", clock.reference, source


def _batteries(report: SessionReport) -> str:
    charts = []
    for battery in report.batteries:
        charge, voltage = [("charge", battery.charge_percent)], [("voltage", battery.voltage)]
        pairs = (
            (line_chart(charge, report.axis, "%", f"{battery.stream}: charge over time", (0, 100), bridged=True), "charge"),
            (line_chart(voltage, report.axis, "V", f"{battery.stream}: voltage over time", bridged=True), "voltage"),
        )
        charts += [figure(wide(chart), f"{battery.stream}: {what}") for chart, what in pairs if chart]
    return section("Batteries", "".join(charts)) if charts else ""


def _events(report: SessionReport) -> str:
    rows = [
        (
            _since(event.stamp_ns, report),
            "over" if event.recovered else Severity(event.severity).name.lower(),
            event.node,
            event.code,
            event.message,
        )
        for event in report.events
    ]
    if not rows:
        return section("Health events", "<p>None.</p>")
    more = f"<p>And {report.events_left_out} more; `rig health` reads them all.</p>" if report.events_left_out else ""
    return section("Health events", table("Problems that began or were over", ("At", "What", "Node", "Code", "Message"), rows) + more)


def _since(stamp_ns: int, report: SessionReport) -> str:
    """Seconds since the beginning; of what is far from it, the date."""
    seconds = (stamp_ns - report.axis.start_ns) / 1e9
    return f"{seconds:.2f} s" if abs(seconds) < 7 * 86400 else iso_time(stamp_ns)
