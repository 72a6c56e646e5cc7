"""Brings sessions into the object store and the catalog once.

ros2 launch rig_capture ingest.launch.py path:=/data/sessions
"""

import sys

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration

ARGUMENTS = {
    "path": (None, "Folder of one session or of many."),
    "profile": ("", "Name or YAML file of the profile that says where store and catalog are; empty: the default one."),
    "arguments": ("", "Further arguments of `rig ingest`, with spaces between."),
}


def generate_launch_description() -> LaunchDescription:
    arguments = [DeclareLaunchArgument(name, default_value=value, description=text) for name, (value, text) in ARGUMENTS.items()]
    return LaunchDescription([*arguments, OpaqueFunction(function=ingest)])


def ingest(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    path, profile, more = (LaunchConfiguration(name).perform(context) for name in ARGUMENTS)
    options = ["--profile", profile] if profile else []
    return [
        ExecuteProcess(
            cmd=[sys.executable, "-P", "-m", "rig_capture.cli", "ingest", "--path", path, *options, *more.split()], output="screen"
        )
    ]
