"""Predictions drawn over the pictures they are of: as a video, or as one picture with many of them (a contact sheet)."""

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av import VideoStream
from av.container import OutputContainer

from rig_capture.estimation.columns import Column
from rig_capture.estimation.errors import EstimationError, PredictionsError
from rig_capture.estimation.models.model import Rgb
from rig_capture.estimation.pictures import VideoReader
from rig_capture.estimation.predictions import FramePrediction, PersonPrediction, Skeleton, VideoPredictions
from rig_capture.estimation.video import VideoSource

Progress = Callable[[int, int | None], None]
"""Told how many frames are done, of how many."""

_COLOURS = ((255, 99, 71), (64, 196, 255), (118, 230, 90), (255, 214, 64), (212, 130, 255), (255, 150, 200), (90, 230, 210), (255, 165, 60))
"""Of persons, by their number; RGB."""
_LEAST_SCORE = 0.2
"""Joints below are not drawn."""
_WHITE = (255, 255, 255)
_DARK = (24, 24, 24)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SHEET_WIDTH = 1920
_GAP = 2
"""Between the pictures of a sheet, px."""
_MICROSECOND = Fraction(1, 1_000_000)


class RenderError(EstimationError):
    """A picture or video of predictions that can't be made."""


def draw(picture: Rgb, frame: FramePrediction, skeleton: Skeleton | None, seconds: float) -> Rgb:
    """A copy of a picture with boxes, joints, bones, the time and the motion energy drawn over it."""
    drawn = np.ascontiguousarray(picture.copy())
    line = max(1, round(max(drawn.shape[:2]) / 500))
    for number, person in enumerate(frame.persons):
        _draw_person(drawn, person, skeleton, _COLOURS[(person.track if person.track >= 0 else number) % len(_COLOURS)], line)
    text = f"{int(seconds) // 60:02d}:{seconds % 60:05.2f}"
    if frame.motion is not None:
        text += f"  motion {frame.motion:.1%}"
    _text(drawn, text, (4 * line, 14 * line), line)
    return drawn


def write_overlay(target: Path, source: VideoSource, predictions: VideoPredictions, progress: Progress | None = None) -> None:
    """Writes a video (H.264) with the predictions drawn over it; frames keep their times.

    Args:
        target: an .mp4 or .mkv file; there whole or not at all.
        source: the video that the predictions are of.
        predictions: of that very video.
        progress: told now and then.

    Raises:
        PredictionsError: they are of another video.
        VideoError: the video can't be read.
        RenderError: the file can't be written.
    """
    part = target.with_name(f".{target.stem}.part{target.suffix}")
    try:
        with av.open(str(part), "w") as container:
            stream: VideoStream | None = None
            for index, seconds, drawn in _drawn(source, predictions):
                if stream is None:
                    stream = _encoder(container, drawn, predictions.video.rate_hz)
                frame = av.VideoFrame.from_ndarray(drawn, format="rgb24")
                frame.pts, frame.time_base = round(seconds * 1_000_000), _MICROSECOND
                container.mux(stream.encode(frame))
                if progress is not None:
                    progress(index + 1, predictions.video.frames)
            assert stream is not None  # a video without frames has no predictions
            container.mux(stream.encode(None))
        os.replace(part, target)
    except (av.FFmpegError, OSError) as error:
        raise RenderError(f"{target}: can't be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def write_contact_sheet(
    target: Path, source: VideoSource, predictions: VideoPredictions, pictures: int = 16, progress: Progress | None = None
) -> None:
    """Writes one picture (.png or .jpg) with so many of the video, evenly spread, predictions drawn over them.

    Raises:
        PredictionsError: they are of another video.
        VideoError: the video can't be read.
        RenderError: the file can't be written.
    """
    frames = predictions.video.frames
    chosen = set(np.linspace(0, frames - 1, min(pictures, frames)).round().astype(int).tolist())
    columns = int(np.ceil(np.sqrt(len(chosen))))
    width = min(predictions.video.width, _SHEET_WIDTH // columns)
    height = max(2 * _GAP, round(predictions.video.height * width / predictions.video.width))
    sheet = np.full((-(-len(chosen) // columns) * height, columns * width, 3), _DARK[0], np.uint8)
    for place, (index, _, drawn) in enumerate(_drawn(source, predictions, chosen)):
        top, left = divmod(place, columns)
        small = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)
        sheet[top * height : (top + 1) * height - _GAP, left * width : (left + 1) * width - _GAP] = small[:-_GAP, :-_GAP]
        if progress is not None:
            progress(index + 1, frames)
    done, data = cv2.imencode(target.suffix, sheet[..., ::-1])
    if not done:
        raise RenderError(f"{target}: OpenCV can't write such a picture")
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_bytes(data.tobytes())
        os.replace(part, target)
    except OSError as error:
        raise RenderError(f"{target}: can't be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _drawn(source: VideoSource, predictions: VideoPredictions, chosen: set[int] | None = None) -> Iterator[tuple[int, float, Rgb]]:
    """Index, time in s, and picture with what was predicted, of all frames or the chosen ones."""
    first_ns = int(predictions.stamps_ns[0])
    frames = predictions.frames
    index = -1
    for index, picture in enumerate(VideoReader(source)):
        if index >= len(frames) or picture.stamp_ns != predictions.stamps_ns[index]:
            raise _other(source, predictions)
        if chosen is None or index in chosen:
            # A clock that was set back gives no times before the beginning.
            seconds = max(0, picture.stamp_ns - first_ns) / 1e9
            yield index, seconds, draw(picture.rgb, frames[index], predictions.skeleton, seconds)
    if index + 1 != len(frames):
        raise _other(source, predictions)


def _other(source: VideoSource, predictions: VideoPredictions) -> PredictionsError:
    of = " ".join(filter(None, (predictions.video.recording_id, predictions.video.file)))
    return PredictionsError(f"{source.title}: is not the video of these predictions, which are of {of}; their frames have other times")


def _encoder(container: OutputContainer, picture: Rgb, rate_hz: float | None) -> VideoStream:
    stream = container.add_stream(
        "libx264", rate=Fraction(rate_hz or 25).limit_denominator(1000), options={"preset": "veryfast", "crf": "20"}
    )
    # This pixel format, which every player shows, wants even sizes; a last odd row or column is scaled away.
    stream.height, stream.width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    stream.pix_fmt, stream.codec_context.time_base = "yuv420p", _MICROSECOND
    return stream


def _draw_person(drawn: Rgb, person: PersonPrediction, skeleton: Skeleton | None, colour: tuple[int, int, int], line: int) -> None:
    x, y, width, height, score = person.box.tolist()
    begin, end = (round(x), round(y)), (round(x + width), round(y + height))
    cv2.rectangle(drawn, begin, end, colour, line, cv2.LINE_AA)
    label = f"{person.track}  {score:.2f}" if person.track >= 0 else f"{score:.2f}"
    _text(drawn, label, (begin[0] + line, max(12 * line, begin[1] - 3 * line)), line, colour)
    if person.pose2d is None or skeleton is None:
        return
    points = [_point(place, score) for place, score in zip(person.pose2d, _scores(person), strict=True)]
    for one, other in skeleton.edges:
        if (a := points[one]) is not None and (b := points[other]) is not None:
            cv2.line(drawn, a, b, colour, 2 * line, cv2.LINE_AA)
    for point in points:
        if point is not None:
            cv2.circle(drawn, point, 2 * line, _WHITE, -1, cv2.LINE_AA)


def _scores(person: PersonPrediction) -> Column:
    assert person.pose2d is not None
    return np.ones(len(person.pose2d)) if person.scores is None else person.scores


def _point(place: Column, score: float) -> tuple[int, int] | None:
    """Where a joint is drawn, px; None of one that was not found, or far outside of any picture."""
    if score < _LEAST_SCORE or not np.isfinite(place).all() or np.abs(place).max() > 2**15:
        return None
    return round(float(place[0])), round(float(place[1]))


def _text(drawn: Rgb, text: str, at: tuple[int, int], line: int, colour: tuple[int, int, int] = _WHITE) -> None:
    """Text on a dark strip, that it can be read on any picture."""
    (width, height), below = cv2.getTextSize(text, _FONT, 0.4 * line, line)
    cv2.rectangle(drawn, (at[0] - line, at[1] - height - line), (at[0] + width + line, at[1] + below), _DARK, -1)
    cv2.putText(drawn, text, at, _FONT, 0.4 * line, colour, line, cv2.LINE_AA)
