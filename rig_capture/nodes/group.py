"""Executable `group`: several small nodes in one process, named on the command line as executable:name."""

import argparse
import importlib
import sys
from typing import NoReturn

from rclpy.utilities import remove_ros_args

from rig_capture.nodes.common.base import RigNode, run_nodes
from rig_capture.profiles.settings.base import Settings


def make_node(executable: str, name: str) -> RigNode[Settings]:
    """A node by the name of its executable; each node module has a function `make_node(name)`."""
    module = importlib.import_module(f"rig_capture.nodes.{executable}")
    node: RigNode[Settings] = module.make_node(name)
    return node


def main() -> NoReturn:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="group", description="Runs several small nodes in one process.")
    parser.add_argument("nodes", nargs="+", metavar="EXECUTABLE:NAME", help="such as battery:battery network:network")
    arguments = parser.parse_args(remove_ros_args(sys.argv)[1:])
    pairs = [text.partition(":") for text in arguments.nodes]
    run_nodes(lambda: [make_node(executable, name or executable) for executable, _, name in pairs])


if __name__ == "__main__":
    main()
