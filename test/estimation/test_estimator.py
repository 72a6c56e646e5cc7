"""The estimator: frames stream from the decoder to the model, in order, each with its stamp; memory does not grow with the video."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

from rig_capture.estimation.columns import Column
from rig_capture.estimation.errors import ModelError, VideoError
from rig_capture.estimation.estimator import Estimator
from rig_capture.estimation.models.model import Detections, Rgb
from rig_capture.estimation.pictures import Picture
from rig_capture.estimation.predictions import ModelIdentity, Skeleton, VideoMetadata
from test.estimation.videos import spot_picture, write_video


class RedSpot:
    """A model with a known answer: one joint in the middle of what is red."""

    identity = ModelIdentity(name="red", version="1")
    skeleton = Skeleton(names=("spot",))
    input_size = None

    def begin(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self.batches: list[int] = []

    def predict(self, batch: Sequence[Rgb]) -> Detections:
        self.batches.append(len(batch))
        points = []
        for picture in batch:
            y, x = np.nonzero(picture[..., 0].astype(int) - picture[..., 1] > 100)
            points.append([[x.mean(), y.mean()]])
        count = len(batch)
        boxes = np.tile([0.0, 0, 1, 1, 1], (count, 1))
        return Detections(np.arange(count), boxes, poses2d=np.array(points), scores=np.ones((count, 1)))


class Still:
    """A source of `count` tiny pictures, all the same."""

    def __init__(self, count: int, fails_at: int = -1) -> None:
        self.total = count
        self.read = 0
        self._fails_at = fails_at
        self._rgb = np.zeros((4, 4, 3), np.uint8)

    def __iter__(self) -> Iterator[Picture]:
        for index in range(self.total):
            if index == self._fails_at:
                raise VideoError("the disk is gone")
            self.read = index + 1
            yield Picture(index, self._rgb)

    def metadata(self, stamps_ns: Column) -> VideoMetadata:
        return VideoMetadata(file="still", width=4, height=4, codec="none", frames=len(stamps_ns), duration_s=1)


class OnePerPicture:
    """Finds one box in every picture, at once."""

    identity = ModelIdentity(name="one", version="1")
    skeleton = None
    input_size = None

    def __init__(self, fails: bool = False) -> None:
        self._fails = fails

    def begin(self, rate_hz: float) -> None:
        """Nothing to forget."""

    def predict(self, batch: Sequence[Rgb]) -> Detections:
        if self._fails:
            raise ModelError("one: broken")
        return Detections(np.arange(len(batch)), np.tile([0.0, 0, 1, 1, 1], (len(batch), 1)), motion=np.zeros(len(batch)))


def test_every_frame_gets_its_answer_and_its_time(tmp_path: Path) -> None:
    places = [(20 + 7 * index, 30 + 5 * index) for index in range(21)]
    times = [0, 40, 80, 200, 210, *range(300, 940, 40)]
    path = write_video(tmp_path / "spot.mkv", (spot_picture(*place) for place in places), times_ms=times)
    model = RedSpot()
    told: list[tuple[int, int | None]] = []
    predictions = Estimator(model, batch=8).process_video(path, progress=lambda done, total: told.append((done, total)))
    assert predictions.stamps_ns.tolist() == [time * 1_000_000 for time in times], "a variable rate is kept"
    assert predictions.poses2d is not None
    assert predictions.poses2d[:, 0] == pytest.approx(np.array(places), abs=0.5)
    assert predictions.person_frame.tolist() == list(range(21))
    assert (predictions.video.width, predictions.video.height, predictions.video.codec) == (320, 240, "h264")
    assert model.batches == [8, 8, 5]
    assert [done for done, _ in told] == [8, 16, 21]


def test_a_million_frames_take_no_more_memory_than_their_results() -> None:
    process = psutil.Process()
    before = process.memory_info().rss
    most = [before]
    predictions = Estimator(OnePerPicture(), batch=512).process(
        Still(1_000_000), rate_hz=30, progress=lambda done, total: most.append(process.memory_info().rss)
    )
    most.append(process.memory_info().rss)
    results = sum(column.nbytes for column in dict(predictions).values() if isinstance(column, np.ndarray))
    assert len(predictions.stamps_ns) == 1_000_000
    assert results == 40_000_000
    # Columns grow by doubling, and are copied once at the end. The pictures alone are 48 MB, their objects more than 100 MB.
    assert max(most) - before < 3 * results, f"{(max(most) - before) / 1e6:.0f} MB for {results / 1e6:.0f} MB of results"


def test_decoding_stays_only_a_little_ahead_of_the_model() -> None:
    source = Still(1000)

    class Watching(OnePerPicture):
        seen = 0
        most = 0

        def predict(self, batch: Sequence[Rgb]) -> Detections:
            self.seen += len(batch)
            self.most = max(self.most, source.read - self.seen)
            return super().predict(batch)

    model = Watching()
    Estimator(model, batch=10).process(source, rate_hz=30)
    assert model.most <= 30


@pytest.mark.parametrize(
    ("source", "model", "error"),
    [(Still(1000, fails_at=500), OnePerPicture(), VideoError), (Still(1000), OnePerPicture(fails=True), ModelError)],
)
def test_what_fails_is_told_and_leaves_no_thread(source: Still, model: OnePerPicture, error: type[Exception]) -> None:
    before = threading.active_count()
    with pytest.raises(error):
        Estimator(model).process(source, rate_hz=30)
    assert threading.active_count() == before


def test_answers_that_fit_no_pictures_are_told_as_the_models_fault() -> None:
    class Elsewhere(OnePerPicture):
        def predict(self, batch: Sequence[Rgb]) -> Detections:
            return Detections(np.array([99]), np.zeros((1, 5)))

    class Sometimes(OnePerPicture):
        given = False

        def predict(self, batch: Sequence[Rgb]) -> Detections:
            self.given = not self.given
            return Detections(np.empty(0, int), np.empty((0, 5)), motion=np.zeros(len(batch)) if self.given else None)

    class Wrong(OnePerPicture):
        def predict(self, batch: Sequence[Rgb]) -> Detections:
            return Detections(np.array([0]), np.array([[0, 0, -5, 1, 1]]))

    for model, message in ((Elsewhere(), "not in its 8 pictures"), (Sometimes(), "motion in some answers only"), (Wrong(), "below 0")):
        with pytest.raises(ModelError, match=message):
            Estimator(model).process(Still(30), rate_hz=30)
