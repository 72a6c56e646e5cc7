"""The model on the page about adding one: found by its entry point, and used over a real video."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import av
import numpy as np
import pytest

from rig_capture.estimation.errors import ModelError
from rig_capture.estimation.estimator import Estimator
from rig_capture.estimation.models.registry import find_models, load_model
from test.docs.pages import DOCS, blocks


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with the page's module and its entry points, as pip would leave them."""
    folder = tmp_path / "installed"
    (folder / "rig_lamp-1.0.0.dist-info").mkdir(parents=True)
    files = {block.name: block.text for block in blocks(DOCS / "adding-a-model.md") if block.name}
    (folder / "rig_lamp.py").write_text(files["rig_lamp.py"])
    points = tomllib.loads(files["pyproject.toml"])["project"]["entry-points"]["rig_capture.models"]
    about = folder / "rig_lamp-1.0.0.dist-info"
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: rig-lamp\nVersion: 1.0.0\n")
    (about / "entry_points.txt").write_text("[rig_capture.models]\n" + "".join(f"{name} = {place}\n" for name, place in points.items()))
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """A video in which a bright spot moves by 4 pixels a picture; the first is dark."""
    path = tmp_path / "walk.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "bgr0"
        for index in range(10):
            picture = np.full((120, 160, 3), 30, np.uint8)
            if index:
                picture[50:60, 20 + 4 * index : 30 + 4 * index] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_the_model_on_the_page_works(installed: Path, walk: Path) -> None:
    assert ("lamp", "") in [(model.name, model.problem) for model in find_models()]
    found = Estimator(load_model("lamp", {"limit": "150"})).process_video(walk)
    assert found.model.settings == {"limit": 150}
    assert found.person_frame.tolist() == list(range(1, 10))
    assert found.poses2d is not None
    assert np.abs(found.poses2d[:, 0] - [[24.5 + 4 * index, 54.5] for index in range(1, 10)]).max() <= 2
    with pytest.raises(ModelError, match="a grey level"):
        load_model("lamp", {"limit": "bright"})


def test_the_command_takes_it(installed: Path, walk: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "import sys; from rig_capture.cli import main; sys.exit(main())",
        "estimate",
        str(walk),
        "--model",
        "lamp",
    ]
    out = walk.with_suffix(".json")
    subprocess.run(
        [*command, "--out", str(out)],
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])},
    )
    assert out.is_file()
