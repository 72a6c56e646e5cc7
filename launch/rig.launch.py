"""Starts a profile's nodes under launch.

    ros2 launch rig_capture rig.launch.py profile:=lab rviz:=true

The list is that of `rig up` (rig_capture.profiles.nodes); here each of its processes becomes a launch_ros node.
"""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from rig_capture.profiles.dds import process_variables
from rig_capture.profiles.errors import ProfileError
from rig_capture.profiles.files import check_files
from rig_capture.profiles.host import on_this_machine
from rig_capture.profiles.load import load_profile
from rig_capture.profiles.nodes import ProcessDescription, describe_processes, only_nodes
from rig_capture.profiles.profile import Profile
from rig_capture.running.shared_memory import remove_leftovers


@dataclass(frozen=True)
class Viewer:
    """A program of ROS 2 that shows a rig."""

    package: str
    executable: str
    option: str
    """Before the file."""
    file: str
    """In `config`."""
    debian: str
    """What installs it and what the file needs, without ros-DISTRO-."""


ARGUMENTS = {
    "profile": ("", "Name or YAML file of a profile (`rig profile list`); empty: $RIG_CAPTURE_PROFILE, else the default one."),
    "namespace": ("", "ROS namespace of all nodes; empty: the profile's."),
    "host": ("", "Which of the rig's machines this is; empty: $RIG_CAPTURE_HOST, else told by its name."),
    "storage_path": ("", "Folder of the sessions; empty: the profile's."),
    "disable": ("", "Nodes of the profile to leave out, by name with commas between, such as camera_side,uploader."),
    "only": ("", "Start only these nodes of the profile, by name with commas between; empty: all."),
    "set": ("", "Other settings of the profile as key=value with semicolons between, such as threads=8;cameras.camera_front.fps=15."),
    "foxglove": ("false", "Serve Foxglove (docs/ros.md), where the profile does not say so already."),
    "rviz": ("false", "Show pictures and frames in rviz."),
    "rqt": ("false", "Show pictures, plots, diagnostics, parameters and services in rqt."),
    "respawn": ("true", "Start a node again when it ends."),
    "respawn_delay": ("2.0", "Seconds before it is started again."),
}


VIEWERS = {
    "rviz": Viewer("rviz2", "rviz2", "-d", "rig.rviz", "rviz2"),
    "rqt": Viewer("rqt_gui", "rqt_gui", "--perspective-file", "rig.perspective", "rqt-common-plugins"),
}


def generate_launch_description() -> LaunchDescription:
    arguments = [DeclareLaunchArgument(name, default_value=value, description=text) for name, (value, text) in ARGUMENTS.items()]
    return LaunchDescription([*arguments, OpaqueFunction(function=start_nodes)])


def start_nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = {name: LaunchConfiguration(name).perform(context).strip() for name in ARGUMENTS}
    # A ProfileError is shown by launch as one message, and ends it with exit code 1.
    loaded = on_this_machine(load_profile(given["profile"] or None, overrides=overrides(given)))
    only = words(given["only"])
    if only and is_true(given["foxglove"]):
        only.append("foxglove")
    profile = only_nodes(loaded.profile, only=only, without=words(given["disable"]))
    check_files(loaded)
    remove_leftovers()
    viewers = [viewer(name, profile) for name in VIEWERS if is_true(given[name])]
    nodes = [node(process, is_true(given["respawn"]), float(given["respawn_delay"])) for process in describe_processes(profile)]
    return [*environment(profile), *nodes, *viewers]


def overrides(given: dict[str, str]) -> dict[str, str]:
    changes = {key: given[key] for key in ("namespace", "host", "storage_path") if given[key]}
    if is_true(given["foxglove"]):
        changes["foxglove"] = "{}"
    for text in filter(None, given["set"].split(";")):
        key, equals, value = text.partition("=")
        if not equals:
            raise ProfileError(f"set: {text!r}: key=value belongs here, such as threads=8")
        changes[key.strip()] = value
    return changes


def is_true(text: str) -> bool:
    return text.lower() in ("1", "true", "yes", "y", "on")


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def environment(profile: Profile) -> list[SetEnvironmentVariable]:
    return [SetEnvironmentVariable(name, value) for name, value in process_variables(profile).items()]


def node(process: ProcessDescription, respawn: bool, respawn_delay: float) -> Node:
    shared = process.executable == "group"
    return Node(
        package="rig_capture",
        executable=process.executable,
        name=None if shared else process.name,
        namespace=None if shared else process.nodes[0].namespace,
        # Of a group, each node's own rules; launch_ros knows those of a single node.
        ros_arguments=process.ros_arguments if shared else None,
        remappings=None if shared else list(process.nodes[0].remappings.items()),
        # A group's nodes have names of their own, so its parameters come by file for them all.
        parameters=[write_parameters(process)] if shared else [dict(process.nodes[0].parameters)],
        arguments=process.arguments,
        output="screen",
        emulate_tty=True,
        respawn=respawn,
        respawn_delay=respawn_delay,
        # The recorder finalises its session first.
        sigterm_timeout="30" if process.executable == "recorder" else "5",
    )


def viewer(name: str, profile: Profile) -> Node:
    wanted = VIEWERS[name]
    try:
        get_package_prefix(wanted.package)
    except PackageNotFoundError as error:
        debian = f"ros-{os.environ.get('ROS_DISTRO', 'jazzy')}-{wanted.debian}"
        reason = f"package {wanted.package} is not installed; run `apt-get install {debian}`, or leave {name} out"
        raise ProfileError(f"{name}:=true: {reason}") from error
    file = Path(get_package_share_directory("rig_capture")) / "config" / wanted.file
    text = of_rig(file.read_text(encoding="utf-8"), profile)
    return Node(package=wanted.package, executable=wanted.executable, arguments=[wanted.option, written(text, file.suffix)], output="log")


def of_rig(text: str, profile: Profile) -> str:
    """A configuration with the rig's namespace before its topics and services, and its prefix before its frames."""
    namespace = "/" + profile.namespace.strip("/") if profile.namespace.strip("/") else ""
    text = re.sub(r"(?<=[ '])/(?=[a-z])", f"{namespace}/", text)
    return text.replace("Fixed Frame: ", f"Fixed Frame: {profile.frame_prefix}")


def write_parameters(process: ProcessDescription) -> str:
    return written(yaml.safe_dump(process.parameter_file), ".yaml")


def written(text: str, suffix: str) -> str:
    """The path of a file that is left for the program that reads it."""
    with tempfile.NamedTemporaryFile("w", prefix="rig_", suffix=suffix, delete=False, encoding="utf-8") as file:
        file.write(text)
    return file.name
