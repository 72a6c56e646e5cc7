"""A model over a video: frames go from the decoder to the model in batches, and nothing but the results is kept."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from rig_capture.estimation.batches import BatchReader
from rig_capture.estimation.columns import Column
from rig_capture.estimation.errors import ModelError
from rig_capture.estimation.growing import GrowingColumn
from rig_capture.estimation.models.model import Detections, Model
from rig_capture.estimation.pictures import Pictures, VideoReader
from rig_capture.estimation.predictions import VideoPredictions, what_is_wrong
from rig_capture.estimation.video import VideoSource, find_video

Progress = Callable[[int, int | None], None]
"""Told how many frames are done, of about how many; None where that is not known."""

DEFAULT_BATCH = 8


@dataclass(frozen=True, slots=True)
class Timing:
    """What the last video cost, s by the clock. Decoding and model run side by side."""

    wall_s: float
    decode_s: float
    model_s: float


class Estimator:
    """A model with all that is needed to look at videos, one after the other. Knows no folders but the video it is given."""

    def __init__(self, model: Model, *, batch: int = DEFAULT_BATCH) -> None:
        """Takes a model, and how many pictures it is given at a time at most."""
        self.model = model
        self._batch = batch
        self.timing: Timing | None = None
        """Of the last video; None before."""

    def process_video(self, path: Path | VideoSource, *, progress: Progress | None = None) -> VideoPredictions:
        """Looks at a whole video.

        Args:
            path: of a file, or of what else holds one video (`video.find_video`); or a source that was found.
            progress: told after each batch.

        Raises:
            VideoError: there is no such video, or it can't be read.
            ModelError: the model failed.
            SessionError: the manifest of the session that holds it can't be read.
        """
        source = path if isinstance(path, VideoSource) else find_video(path)
        reader = VideoReader(source)
        return self.process(reader, rate_hz=reader.rate_hz, progress=progress)

    def process(self, pictures: Pictures, *, rate_hz: float, progress: Progress | None = None) -> VideoPredictions:
        """Looks at pictures from anywhere, at least one, about so many of which make a second. Raises as `process_video`."""
        begun = time.perf_counter()
        model_s = 0.0
        results = _Results(self.model)
        self.model.begin(rate_hz)
        with BatchReader(pictures, self._batch) as batches:
            for batch in batches:
                before = time.perf_counter()
                found = self.model.predict([picture.rgb for picture in batch])
                model_s += time.perf_counter() - before
                results.add(np.array([picture.stamp_ns for picture in batch]), found)
                if progress is not None:
                    progress(results.frames, max(pictures.total, results.frames) if pictures.total is not None else None)
        predictions = results.finish(pictures)
        self.timing = Timing(time.perf_counter() - begun, batches.decode_s, model_s)
        return predictions


class _Results:
    """Gathers what a model answers, in columns that grow."""

    def __init__(self, model: Model) -> None:
        self._model = model
        joints = 0 if model.skeleton is None else len(model.skeleton.names)
        self._stamps = GrowingColumn("int64")
        self._person_frame = GrowingColumn("int32")
        self._track = GrowingColumn("int32")
        self._boxes = GrowingColumn("float32", (5,))
        self._optional = {
            "motion": GrowingColumn("float32"),
            "poses2d": GrowingColumn("float32", (joints, 2)),
            "poses3d": GrowingColumn("float32", (joints, 3)),
            "scores": GrowingColumn("float32", (joints,)),
        }
        self._given: set[str] | None = None

    @property
    def frames(self) -> int:
        return len(self._stamps.rows)

    def add(self, stamps_ns: Column, found: Detections) -> None:
        """Takes the answer to the next pictures. Raises ModelError."""
        try:
            self._add(stamps_ns, found)
        except ValueError as error:
            raise ModelError(f"{self._model.identity.name}: its answer can't be used: {error}") from error

    def _add(self, stamps_ns: Column, found: Detections) -> None:
        persons = len(found.boxes)
        if found.picture.shape != (persons,) or (persons and not 0 <= found.picture[0] <= found.picture[-1] < len(stamps_ns)):
            raise ValueError(f"{persons} detections that are not in its {len(stamps_ns)} pictures")
        given = {name for name in self._optional if getattr(found, name) is not None}
        self._given = given if self._given is None else self._given
        if given != self._given:
            raise ValueError(f"{', '.join(sorted(given ^ self._given))} in some answers only")
        self._person_frame.extend(found.picture + self.frames)
        self._stamps.extend(stamps_ns)
        self._boxes.extend(found.boxes)
        self._track.extend(np.full(persons, -1) if found.track is None else found.track)
        for name in given:
            self._optional[name].extend(getattr(found, name))

    def finish(self, pictures: Pictures) -> VideoPredictions:
        """All of it. Raises ModelError."""
        columns = {name: column.rows if name in (self._given or ()) else None for name, column in self._optional.items()}
        try:
            return VideoPredictions(
                video=pictures.metadata(self._stamps.rows),
                model=self._model.identity,
                skeleton=self._model.skeleton,
                stamps_ns=self._stamps.rows,
                person_frame=self._person_frame.rows,
                person_track=self._track.rows,
                boxes=self._boxes.rows,
                **columns,
            )
        except ValidationError as error:
            raise ModelError(f"{self._model.identity.name}: its answers can't be used: {what_is_wrong(error)}") from error
