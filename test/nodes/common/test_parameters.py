"""Parameters of all nodes by the book: described, with ranges, read-only where a change would do nothing."""

import configparser
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import annotated_types
import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from rig_capture.nodes.common.base import RigNode
from rig_capture.nodes.common.parameters import SettingsError, changed, declare_settings
from rig_capture.profiles.settings.base import Settings
from rig_capture.profiles.settings.devices import CameraSettings


def models() -> dict[str, type[Settings]]:
    """Settings of each executable that is a node of ours."""
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).resolve().parents[3] / "setup.cfg")
    scripts = (line.partition("=")[2].strip().partition(":")[0] for line in setup["options.entry_points"]["console_scripts"].split("\n"))
    found = {}
    for module in (script for script in scripts if script.startswith("rig_capture.nodes.")):
        for _, each in inspect.getmembers(importlib.import_module(module), inspect.isclass):
            if issubclass(each, RigNode) and each.__module__ == module:
                found[module.rpartition(".")[2]] = each.settings_type
    return found


@pytest.fixture(scope="module")
def context() -> Iterator[Context]:
    """ROS, for nodes that only declare."""
    own = Context()
    rclpy.init(context=own, args=[])
    yield own
    rclpy.shutdown(context=own)


def bare(context: Context, *given: Parameter) -> Node:
    """A node with nothing but what is declared."""
    return Node(
        "bare",
        context=context,
        parameter_overrides=list(given),
        start_parameter_services=False,
        enable_rosout=False,
        use_global_arguments=False,
    )


def test_every_node_is_looked_at() -> None:
    assert models().keys() >= {
        "camera",
        "audio",
        "imu",
        "battery",
        "network",
        "clock",
        "recorder",
        "uploader",
        "status",
        "player",
        "foxglove",
    }


@pytest.mark.parametrize("executable", sorted(models()))
def test_parameters_are_described_with_range_and_read_only_flag(context: Context, executable: str) -> None:
    model, node = models()[executable], bare(context)
    declare_settings(node, model)
    # One that is unset would make services of parameters answer nothing at all.
    assert all(parameter.type_ != Parameter.Type.NOT_SET for parameter in node.get_parameters(list(model.model_fields)))
    for name, field in model.model_fields.items():
        (described,) = node.describe_parameters([name])
        assert described.description.strip(), name
        extra: Any = field.json_schema_extra or {}
        assert described.read_only is not bool(extra.get("live")), name
        if field.annotation in (int, float) and any(isinstance(item, annotated_types.Ge | annotated_types.Gt) for item in field.metadata):
            assert described.integer_range or described.floating_point_range, name
    node.destroy_node()


def test_lists_of_numbers_and_of_texts_are_parameters(context: Context) -> None:
    given = [Parameter("mount_xyz", value=[0.1, 0.2, 0.3]), Parameter("plugin_settings", value=["a=b"])]
    node = bare(context, *given)
    settings = declare_settings(node, CameraSettings)
    assert (settings.mount_xyz, settings.plugin_settings) == ((0.1, 0.2, 0.3), ("a=b",))
    moved, answer = changed(settings, [Parameter("mount_xyz", value=[1.0, 2.0, 3.0])])
    assert (answer.successful, moved.mount_xyz) == (True, (1.0, 2.0, 3.0))
    same, answer = changed(settings, [Parameter("mount_xyz", value=[1.0, 2.0])])
    assert (answer.successful, same) == (False, settings)
    assert answer.reason.startswith("parameter mount_xyz: ")
    node.destroy_node()


def test_a_value_out_of_range_names_parameter_and_range(context: Context) -> None:
    node = bare(context, Parameter("quality", value=99))
    with pytest.raises(SettingsError, match=r"parameter quality: .*0.*63.*99"):
        declare_settings(node, CameraSettings)
    node.destroy_node()


def test_what_a_value_must_fit_is_told_in_words(context: Context) -> None:
    node = bare(context)
    declare_settings(node, CameraSettings)
    driver, retry, parent = node.describe_parameters(["driver", "retry_min_s", "mount_parent"])
    assert driver.additional_constraints.startswith("one of 'synthetic'")
    assert retry.additional_constraints == "above 0"
    assert parent.additional_constraints.startswith("fits ^")
    node.destroy_node()
