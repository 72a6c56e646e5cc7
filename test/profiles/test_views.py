"""Views of a rig for Foxglove, rviz and rqt: well formed, and of topics that the simulated rig has."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from rig_capture.profiles.load import load_profile
from rig_capture.profiles.nodes import recorded_streams

CONFIG = Path(__file__).resolve().parents[2] / "config"
BESIDE = {
    "/recorder/status",
    "/health",
    *(f"/{camera}/image_raw/compressed" for camera in ("camera_front", "camera_side")),
    "/start_recording",
    "/stop_recording",
}
"""Topics that are not recorded, and services."""


def names() -> set[str]:
    """Topics and services of the simulated rig."""
    streams = (stream.split()[1] for stream in recorded_streams(load_profile("sim").profile))
    return {f"/{topic.lstrip('/')}" for topic in streams} | BESIDE


def texts(value: Any) -> Iterator[str]:
    """All texts in a document that are names of topics or services, without the fields behind them."""
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield from (match.partition(".")[0] for match in re.findall(r"(?<![\w<])/[a-z][\w/]*(?:\.\w+)*", value))


def panels(layout: Any) -> Iterator[str]:
    """Panels that a layout of Foxglove places."""
    if isinstance(layout, str):
        yield layout
    else:
        yield from panels(layout["first"])
        yield from panels(layout["second"])


def test_the_layout_of_foxglove_places_each_panel_once_and_names_topics_of_the_rig() -> None:
    layout = json.loads((CONFIG / "foxglove_layout.json").read_text())
    assert sorted(panels(layout["layout"])) == sorted(layout["configById"])
    assert set(texts(layout)) <= names()
    assert {"/camera_front/video", "/imu/data_raw", "/audio_main/level", "/start_recording"} <= set(texts(layout))


def test_rviz_shows_topics_of_the_rig_in_its_frame() -> None:
    view = yaml.safe_load((CONFIG / "rig.rviz").read_text())["Visualization Manager"]
    assert set(texts(view)) == {"/camera_front/image_raw/compressed", "/camera_side/image_raw/compressed"}
    parents = {camera.mount_parent for camera in load_profile("sim").profile.cameras.values()}
    assert parents == {view["Global Options"]["Fixed Frame"]}


def test_rqt_shows_topics_of_the_rig() -> None:
    view = json.loads((CONFIG / "rig.perspective").read_text())
    plotted = {f"/imu/data_raw/linear_acceleration/{axis}" for axis in "xyz"}
    assert set(texts(view)) - plotted <= names()
    assert plotted <= set(texts(view))
