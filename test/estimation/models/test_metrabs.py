"""A SavedModel with MeTRAbs' interface and a known answer, through the real TensorFlow where that is installed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rig_capture.estimation.errors import ModelError
from rig_capture.estimation.estimator import Estimator
from rig_capture.estimation.models.registry import load_model
from test.estimation.videos import spot_picture, write_video

tensorflow: Any = pytest.importorskip("tensorflow", reason="tensorflow is not installed; run: ./rig extra metrabs")

FOCAL_PX, DEPTH_MM = 100.0, 2000.0


class Spots(tensorflow.Module):  # type: ignore[misc]
    """One person with two joints in the middle of what is red, none in pictures without red."""

    def __init__(self) -> None:
        super().__init__()
        names = {"two": ["middle", "beside"], "": ["middle"]}
        self.per_skeleton_joint_names = {key: tensorflow.Variable(value, trainable=False) for key, value in names.items()}
        self.per_skeleton_joint_edges = {
            "two": tensorflow.Variable([[0, 1]], trainable=False),
            "": tensorflow.Variable(tensorflow.zeros((0, 2), tensorflow.int32), trainable=False),
        }

    @tensorflow.function(  # type: ignore[untyped-decorator]
        input_signature=[
            tensorflow.TensorSpec((None, None, None, 3), tensorflow.uint8, "images"),
            tensorflow.TensorSpec((None, 3, 3), tensorflow.float32, "intrinsic_matrix"),
            tensorflow.TensorSpec((), tensorflow.float32, "default_fov_degrees"),
            tensorflow.TensorSpec((), tensorflow.int32, "internal_batch_size"),
            tensorflow.TensorSpec((), tensorflow.int32, "num_aug"),
            tensorflow.TensorSpec((), tensorflow.string, "skeleton"),
            tensorflow.TensorSpec((), tensorflow.float32, "detector_threshold"),
            tensorflow.TensorSpec((), tensorflow.int32, "max_detections"),
        ]
    )
    def detect_poses_batched(
        self,
        images: Any,
        intrinsic_matrix: Any = (((-1, -1, -1), (-1, -1, -1), (-1, -1, -1)),),
        default_fov_degrees: Any = 55,
        internal_batch_size: Any = 64,
        num_aug: Any = 5,
        skeleton: Any = "",
        detector_threshold: Any = 0.3,
        max_detections: Any = -1,
    ) -> dict[str, Any]:
        """Arguments and answer as in the published models (docs/API.md of isarandi/metrabs)."""
        tf = tensorflow
        values = tf.cast(images, tf.float32)
        red = tf.cast(values[..., 0] - values[..., 1] > 100, tf.float32)
        weight = tf.reduce_sum(red, axis=[1, 2])
        there = tf.where(weight > 0)[:, 0]
        x = tf.reduce_sum(red * tf.cast(tf.range(tf.shape(red)[2]), tf.float32), axis=[1, 2]) / tf.maximum(weight, 1)
        y = tf.reduce_sum(red * tf.cast(tf.range(tf.shape(red)[1]), tf.float32)[:, None], axis=[1, 2]) / tf.maximum(weight, 1)
        middle = tf.gather(tf.stack([x, y], axis=-1), there)
        poses2d = tf.stack([middle, middle + tf.constant([10.0, 0.0])], axis=1)
        centre = tf.cast(tf.stack([tf.shape(red)[2], tf.shape(red)[1]]), tf.float32) / 2
        shifted = (poses2d - centre) / FOCAL_PX * DEPTH_MM
        poses3d = tf.concat([shifted, tf.fill(tf.concat([tf.shape(shifted)[:2], [1]], 0), DEPTH_MM)], axis=-1)
        sides = tf.fill([tf.shape(middle)[0], 1], 20.0)
        boxes = tf.concat([middle - 10.0, sides, sides, tf.fill(tf.shape(sides), 0.9)], axis=-1)
        counts = tf.cast(weight > 0, tf.int64)
        ragged = tf.RaggedTensor.from_row_lengths
        return {"boxes": ragged(boxes, counts), "poses2d": ragged(poses2d, counts), "poses3d": ragged(poses3d, counts)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "models" / "spots"
    tensorflow.saved_model.save(Spots(), str(folder))
    return folder


def test_a_saved_model_out_of_the_folder_gives_poses_to_the_pixel(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_CAPTURE_DATA_DIR", str(saved.parent.parent))
    places = [(60 + 10 * n, 70 + 5 * n) for n in range(12)]
    pictures = [spot_picture(*place) for place in places]
    pictures[3] = np.full_like(pictures[3], 40)
    path = write_video(tmp_path / "spots.mkv", pictures)
    predictions = Estimator(load_model("metrabs:spots", {"joints": "two"})).process_video(path)
    assert predictions.skeleton is not None
    assert (predictions.skeleton.names, predictions.skeleton.edges) == (("middle", "beside"), ((0, 1),))
    assert predictions.person_frame.tolist() == [0, 1, 2, *range(4, 12)]
    wanted = np.array([place for n, place in enumerate(places) if n != 3])
    assert predictions.poses2d is not None
    assert predictions.poses2d[:, 0] == pytest.approx(wanted, abs=0.5)
    assert predictions.poses2d[:, 1] == pytest.approx(wanted + np.array([10, 0]), abs=0.5)
    assert predictions.poses3d is not None
    metric = (wanted - (160, 120)) / FOCAL_PX * DEPTH_MM
    assert predictions.poses3d[:, 0, :2] == pytest.approx(metric, abs=10)
    assert (predictions.poses3d[..., 2] == DEPTH_MM).all()
    assert predictions.boxes[0] == pytest.approx([50, 60, 20, 20, 0.9], abs=0.5)


def test_videos_without_anybody_and_other_cameras_are_estimated(saved: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / "empty.mkv", (np.full((240, 320, 3), 40, np.uint8) for _ in range(5)))
    model = load_model(f"metrabs:{saved}", {"joints": "two", "intrinsics": (100, 100, 160, 120)})
    predictions = Estimator(model).process_video(path)
    assert len(predictions.person_frame) == 0
    assert predictions.poses3d is not None
    assert predictions.poses3d.shape == (0, 2, 3)


def test_what_is_no_such_model_is_told(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no skeleton 'three'; set `joints` to one of , two"):
        load_model(f"metrabs:{saved}", {"joints": "three"})
    with pytest.raises(ModelError, match="metrabs: frob"):
        load_model(f"metrabs:{saved}", {"frob": 3})
    tensorflow.saved_model.save(tensorflow.Module(), str(tmp_path / "other"))
    with pytest.raises(ModelError, match="is no MeTRAbs model"):
        load_model(f"metrabs:{tmp_path / 'other'}")
    (tmp_path / "other" / "saved_model.pb").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="is no SavedModel that TensorFlow can load"):
        load_model(f"metrabs:{tmp_path / 'other'}")
