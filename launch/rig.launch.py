"""Starts a profile's nodes under launch.

    ros2 launch rig_capture rig.launch.py profile:=lab

The list is that of `rig up` (rig_capture.profiles.nodes); here each of its processes becomes a launch_ros node.
"""

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

ARGUMENTS = {
    "profile": ("", "Name or YAML file of a profile (`rig profile list`); empty: $RIG_CAPTURE_PROFILE, else the default one."),
    "namespace": ("", "ROS namespace of all nodes; empty: the profile's."),
    "host": ("", "Which of the rig's machines this is; empty: $RIG_CAPTURE_HOST, else told by its name."),
    "storage_path": ("", "Folder of the sessions; empty: the profile's."),
    "disable": ("", "Nodes of the profile to leave out, by name with commas between, such as camera_side,uploader."),
    "only": ("", "Start only these nodes of the profile, by name with commas between; empty: all."),
    "set": ("", "Other settings of the profile as key=value with semicolons between, such as threads=8;cameras.camera_front.fps=15."),
    "respawn": ("true", "Start a node again when it ends."),
    "respawn_delay": ("2.0", "Seconds before it is started again."),
}


def generate_launch_description() -> LaunchDescription:
    arguments = [DeclareLaunchArgument(name, default_value=value, description=text) for name, (value, text) in ARGUMENTS.items()]
    return LaunchDescription([*arguments, OpaqueFunction(function=start_nodes)])


def start_nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = {name: LaunchConfiguration(name).perform(context).strip() for name in ARGUMENTS}
    # A ProfileError is shown by launch as one message, and ends it with exit code 1.
    loaded = on_this_machine(load_profile(given["profile"] or None, overrides=overrides(given)))
    profile = only_nodes(loaded.profile, only=words(given["only"]), without=words(given["disable"]))
    check_files(loaded)
    respawn = given["respawn"].lower() in ("1", "true", "yes", "y")
    nodes = [node(process, respawn, float(given["respawn_delay"])) for process in describe_processes(profile)]
    return [*environment(profile), *nodes]


def overrides(given: dict[str, str]) -> dict[str, str]:
    changes = {key: given[key] for key in ("namespace", "host", "storage_path") if given[key]}
    for text in filter(None, given["set"].split(";")):
        key, equals, value = text.partition("=")
        if not equals:
            raise ProfileError(f"set: {text!r}: key=value belongs here, such as threads=8")
        changes[key.strip()] = value
    return changes


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


def write_parameters(process: ProcessDescription) -> str:
    import tempfile

    import yaml

    with tempfile.NamedTemporaryFile("w", prefix="rig_", suffix=".yaml", delete=False, encoding="utf-8") as file:
        yaml.safe_dump(process.parameter_file, file)
    return file.name
