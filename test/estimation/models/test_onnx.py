"""Models in ONNX with a known answer, through the real runtime: what comes out is right to the pixel, whatever goes in."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from rig_capture.estimation.columns import Column
from rig_capture.estimation.errors import ExtraMissing, ModelError, ModelMissing, UnknownModel
from rig_capture.estimation.estimator import Estimator
from rig_capture.estimation.models.model import Rgb
from rig_capture.estimation.models.onnx import OnnxModel
from rig_capture.estimation.models.registry import find_models, load_model
from test.estimation.videos import write_video

onnx = pytest.importorskip("onnx", reason="run: ./rig test, which installs what tests need")
pytest.importorskip("onnxruntime")

SIZE = (160, 128)
"""Of the models' inputs."""
RED, GREEN = (0, 0), (1, 1)

POSES: dict[str, dict[str, Any]] = {
    "heatmaps": {"kind": "heatmaps", "name": "maps"},
    "heatmaps, half as large": {"kind": "heatmaps", "name": "half"},
    "heatmaps, joints last": {"kind": "heatmaps", "name": "maps_last", "layout": "HWJ"},
    "simcc": {"kind": "simcc", "x": "rows_x", "y": "rows_y", "split": 1},
    "keypoints": {"kind": "keypoints", "name": "points"},
    "keypoints in shares": {"kind": "keypoints", "name": "shares", "units": "shares", "columns": ["y", "x", "score"]},
}


def save_model(path: Path, batch: int | str = "N", *, layout: str = "NCHW", kind: str = "FLOAT") -> None:
    """A model that takes red for its first joint, green for the second: outputs of every kind that a card can tell."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    width, height = SIZE
    constants = {
        "first": np.array([0]),
        "second": np.array([2]),
        "channels": np.array([1]),
        "halves": np.array([2, 2]),
        "zero": np.array([0, 0]),
        "end": np.array([10_000, 10_000]),
        "places": np.array([2, 3]),
        "grid_x": np.arange(width, dtype=np.float32).reshape(1, 1, 1, width),
        "grid_y": np.arange(height, dtype=np.float32).reshape(1, 1, height, 1),
        "share_x": ((np.arange(width, dtype=np.float32) + 0.5) / width).reshape(1, 1, 1, width),
        "share_y": ((np.arange(height, dtype=np.float32) + 0.5) / height).reshape(1, 1, height, 1),
        "planes": np.array([2, 3]),
        "last": np.array([2]),
    }

    def mean_of(grid: str, name: str) -> list[Any]:
        """The middle of each map: the mean of places, weighted by the map."""
        return [
            helper.make_node("Mul", ["sharp", grid], [f"{name}_weighted"]),
            helper.make_node("ReduceSum", [f"{name}_weighted", "planes"], [f"{name}_sum"], keepdims=0),
            helper.make_node("Div", [f"{name}_sum", "weight"], [f"{name}_flat"]),
            helper.make_node("Unsqueeze", [f"{name}_flat", "last"], [name]),
        ]

    nodes = [
        *([helper.make_node("Transpose", ["input"], ["planar"], perm=[0, 3, 1, 2])] if layout == "NHWC" else []),
        helper.make_node("Cast", ["planar" if layout == "NHWC" else "input"], ["float"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Slice", ["float", "first", "second", "channels"], ["maps"]),
        helper.make_node("Slice", ["maps", "zero", "end", "places", "halves"], ["half"]),
        helper.make_node("Transpose", ["maps"], ["maps_last"], perm=[0, 2, 3, 1]),
        helper.make_node("ReduceMax", ["maps"], ["rows_x"], axes=[2], keepdims=0),
        helper.make_node("ReduceMax", ["maps"], ["rows_y"], axes=[3], keepdims=0),
        helper.make_node("Mul", ["maps", "maps"], ["sharp"]),
        helper.make_node("ReduceSum", ["sharp", "planes"], ["weight"], keepdims=0),
        *mean_of("grid_x", "x"),
        *mean_of("grid_y", "y"),
        *mean_of("share_x", "sx"),
        *mean_of("share_y", "sy"),
        helper.make_node("ReduceMax", ["maps"], ["peak_flat"], axes=[2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["peak_flat", "last"], ["peak"]),
        helper.make_node("Concat", ["x", "y", "peak"], ["points"], axis=2),
        helper.make_node("Concat", ["sy", "sx", "peak"], ["shares"], axis=2),
        helper.make_node("Concat", ["x", "y", "peak"], ["metres"], axis=2),
    ]
    shape = [batch, 3, height, width] if layout == "NCHW" else [batch, height, width, 3]
    names = ("maps", "half", "maps_last", "rows_x", "rows_y", "points", "shares", "metres")
    graph = helper.make_graph(
        nodes,
        "spots",
        [helper.make_tensor_value_info("input", getattr(onnx.TensorProto, kind), shape)],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))


def write_card(folder: Path, poses: dict[str, Any], given: dict[str, Any] | None = None, **output: Any) -> Path:
    """A card for `save_model`'s models."""
    card = {
        "name": "spots",
        "version": "7",
        "file": "spots.onnx",
        "input": {"size": list(SIZE), "std": [255, 255, 255], **(given or {})},
        "output": {"poses": poses, **output},
        "skeleton": {"names": ["red", "green"], "edges": [[0, 1]]},
    }
    path = folder / "spots.yaml"
    path.write_text(yaml.safe_dump(card))
    return path


def blobs(red: tuple[float, float], green: tuple[float, float], size: tuple[int, int] = (320, 240)) -> Rgb:
    """A black picture with a soft red and a soft green spot; their middles are x, y."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    for channel, place in enumerate((red, green)):
        distance = (x - place[0]) ** 2 + (y - place[1]) ** 2
        picture[..., channel] = 255 * np.exp(-distance / (2 * (size[0] / 40) ** 2))
    return picture


PLACES = [((80.0, 60.0), (250.0, 200.0)), ((200.0, 120.0), (31.0, 17.0)), ((150.0, 90.0), (160.0, 150.0))]


def found_by(model: OnnxModel, size: tuple[int, int] = (320, 240)) -> Column:
    scale = np.array(size) / (320, 240)
    found = model.predict([blobs(tuple(red * scale), tuple(green * scale), size) for red, green in PLACES])  # type: ignore[arg-type]
    assert found.poses2d is not None
    assert found.picture.tolist() == [0, 1, 2]
    return found.poses2d


@pytest.mark.parametrize("poses", POSES.values(), ids=POSES)
@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
def test_joints_are_found_to_the_pixel(tmp_path: Path, poses: dict[str, Any], fit: str) -> None:
    save_model(tmp_path / "spots.onnx")
    model = OnnxModel(write_card(tmp_path, poses, {"fit": fit}))
    # An input of half the picture's size: a pixel of the input is two of the picture.
    cell = 2 if poses["name" if "name" in poses else "x"] == "half" else 1
    assert np.abs(found_by(model) - np.array(PLACES)).max() <= 1.01 * cell


@pytest.mark.parametrize("size", [(640, 480), (200, 320), (160, 128), (80, 64), (1001, 333)])
def test_pictures_of_any_shape_are_brought_into_the_input_and_back(tmp_path: Path, size: tuple[int, int]) -> None:
    save_model(tmp_path / "spots.onnx")
    model = OnnxModel(write_card(tmp_path, POSES["keypoints"]))
    scale = np.array(size) / (320, 240)
    pixel = max(1.0, size[0] / SIZE[0], size[1] / SIZE[1])
    assert np.abs(found_by(model, size) - np.array(PLACES) * scale).max() <= pixel


@pytest.mark.parametrize(
    ("layout", "kind", "batch"), [("NHWC", "FLOAT", "N"), ("NCHW", "UINT8", 1), ("NHWC", "INT32", 1), ("NCHW", "FLOAT", 1)]
)
def test_inputs_of_every_layout_and_type_are_given(tmp_path: Path, layout: str, kind: str, batch: int | str) -> None:
    save_model(tmp_path / "spots.onnx", batch, layout=layout, kind=kind)
    std = [255] * 3 if kind == "FLOAT" else [1] * 3
    model = OnnxModel(write_card(tmp_path, POSES["keypoints"], {"layout": layout, "std": std}))
    assert np.abs(found_by(model) - np.array(PLACES)).max() <= 1


def test_colours_and_normalisation_are_those_of_the_card(tmp_path: Path) -> None:
    save_model(tmp_path / "spots.onnx")
    swapped = OnnxModel(write_card(tmp_path, POSES["heatmaps"], {"colour": "BGR", "mean": [0, 51, 0], "std": [255, 102, 255]}))
    found = swapped.predict([blobs((80, 60), (250, 200))])
    assert found.poses2d is not None
    assert found.scores is not None
    # Blue first: the first joint sees nothing, the second sees green, from -0.5 to 2, which is cut to 1.
    assert found.scores[0].tolist() == [0, 1]
    assert np.isnan(found.poses2d[0, 0]).all()
    assert found.poses2d[0, 1] == pytest.approx([250, 200], abs=1)


def test_scores_boxes_and_3d_come_as_the_card_says(tmp_path: Path) -> None:
    save_model(tmp_path / "spots.onnx")
    model = OnnxModel(write_card(tmp_path, POSES["keypoints"], poses3d={"name": "metres", "unit": "m"}))
    found = model.predict([blobs((80, 60), (250, 200))])
    assert found.scores is not None
    assert found.scores[0] == pytest.approx([1, 1], abs=0.02)
    assert found.boxes[0] == pytest.approx([80, 60, 171, 141, 1], abs=1.5)
    assert found.poses3d is not None
    assert found.poses3d.shape == (1, 2, 3)
    assert found.poses3d[0, 0, 0] == pytest.approx(1000 * (80 / 2), rel=0.02)


def test_pictures_without_a_person_have_none(tmp_path: Path) -> None:
    save_model(tmp_path / "spots.onnx")
    model = OnnxModel(write_card(tmp_path, POSES["heatmaps"], least_person=0.4))
    found = model.predict([np.zeros((240, 320, 3), np.uint8), blobs((80, 60), (250, 200))])
    assert found.picture.tolist() == [1]


def test_whoever_moves_is_looked_at_alone_where_the_card_says_so(tmp_path: Path) -> None:
    """Two pairs of spots move; the model knows one pair at a time."""
    save_model(tmp_path / "spots.onnx")
    model = OnnxModel(write_card(tmp_path, POSES["keypoints"], {"persons": "motion"}, poses3d={"name": "metres"}))
    model.begin(30)
    still = np.zeros((480, 640, 3), np.uint8)
    places = [((60.0 + 8 * n, 100.0), (90.0 + 8 * n, 140.0), (560.0 - 8 * n, 350.0), (600.0 - 8 * n, 400.0)) for n in range(15)]
    pictures = [still] * 10 + [np.maximum(blobs(a, b, (640, 480)), blobs(c, d, (640, 480))) for a, b, c, d in places]
    found = model.predict(pictures)
    assert found.picture.min() == 10, "nothing moves before"
    assert found.motion is not None
    assert found.motion.shape == (25,)
    last = found.picture == 24
    assert found.poses2d is not None
    assert found.track is not None
    poses = found.poses2d[last][np.argsort(found.poses2d[last][:, 0, 0])]
    assert len(poses) == 2
    # Bright trails of the soft spots, and the other pair's, are outside of each part.
    assert np.abs(poses - np.array([places[-1][:2], places[-1][2:]])).max() <= 4
    assert len(set(found.track[last].tolist())) == 2
    assert found.poses3d is not None
    assert found.poses3d.shape == (len(found.picture), 2, 3)
    nobody = model.predict([pictures[-1]])
    assert nobody.poses2d is not None
    assert nobody.poses2d.shape[1:] == (2, 2)


def test_a_video_is_estimated_with_a_model_out_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_CAPTURE_DATA_DIR", str(tmp_path))
    folder = tmp_path / "models"
    folder.mkdir()
    save_model(folder / "spots.onnx")
    write_card(folder, POSES["heatmaps"])
    assert "onnx:spots" in [model.name for model in find_models() if not model.problem]
    video = write_video(tmp_path / "spots.mkv", (blobs((60 + 4 * n, 60), (250, 200)) for n in range(20)))
    predictions = Estimator(load_model("onnx:spots")).process_video(video)
    assert predictions.model.name == "spots"
    assert predictions.model.version == "7"
    assert predictions.poses2d is not None
    assert predictions.poses2d[:, 0, 0] == pytest.approx(60 + 4 * np.arange(20), abs=2)


def test_what_a_card_or_model_lacks_is_told(tmp_path: Path) -> None:
    save_model(tmp_path / "spots.onnx")
    cases: list[tuple[Path, str]] = [(tmp_path / "none.yaml", "no such card")]
    wrong: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"kind": "heatmaps", "name": "other"}, {}, "no output 'other'; it has maps"),
        ({"kind": "keypoints", "name": "maps"}, {}, "the card says"),
        ({"kind": "keypoints", "name": "points", "columns": ["x"]}, {}, "must name x and y"),
        (POSES["heatmaps"], {"size": [64, 64]}, "the card says"),
        (POSES["heatmaps"], {"name": "other"}, "has the inputs input"),
        (POSES["heatmaps"], {"frobnicate": 1}, "frobnicate"),
        ({"kind": "candidates", "name": "points"}, {}, "rows of 11 numbers"),
    ]
    for number, (poses, given, message) in enumerate(wrong):
        card = write_card(tmp_path, poses, given)
        cases.append((card.rename(tmp_path / f"{number}.yaml"), message))
    for path, message in cases:
        with pytest.raises(ModelError, match=message):
            OnnxModel(path).predict([blobs((80, 60), (250, 200))])
    (tmp_path / "spots.onnx").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match=r"spots\.onnx: is no model"):
        OnnxModel(write_card(tmp_path, POSES["heatmaps"]))
    (tmp_path / "spots.onnx").unlink()
    with pytest.raises(ModelMissing, match="put it there"):
        OnnxModel(tmp_path / "spots.yaml")
    (tmp_path / "spots.yaml").write_text("{")
    with pytest.raises(ModelError, match="can't be read"):
        OnnxModel(tmp_path / "spots.yaml")


def test_models_that_are_not_there_are_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_CAPTURE_DATA_DIR", str(tmp_path))
    with pytest.raises(UnknownModel, match="there are mediapipe, metrabs, motion, onnx"):
        load_model("dance")
    with pytest.raises(ModelMissing, match=f"put its card and .onnx file into {tmp_path}/models"):
        load_model("onnx")
    with pytest.raises(ModelMissing, match="holds none of this kind"):
        load_model("onnx:walker")
    with pytest.raises(ModelMissing, match="call it motion"):
        load_model("motion:fast")
    with pytest.raises(ModelError, match="motion: widths: Extra inputs"):
        load_model("motion", {"widths": 3})
    problems = {model.name: model.problem for model in find_models()}
    assert problems["motion"] == ""
    assert "put its card" in problems["onnx"]
    for extra in ("mediapipe", "metrabs"):
        if f"./rig extra {extra}" in problems[extra]:
            with pytest.raises(ExtraMissing, match=f"run: ./rig extra {extra}"):
                load_model(extra)
