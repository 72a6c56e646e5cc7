"""The page of `rig status` of a rig of several machines."""

from datetime import UTC, datetime

from rich.console import Console

from rig_capture.cli.status_page import Seen, page
from rig_capture.nodes.overview.rig_status import NodeStatus, RigStatus


def shown(*nodes: NodeStatus) -> str:
    status = RigStatus(
        stamp=datetime.now(UTC),
        rig="stage",
        host="left",
        node_id="0",
        version="0",
        uptime_s=1.0,
        state="idle",
        storage_path="/data",
        cpu_percent=1.0,
        cpu_percent_per_core=(1.0,),
        load_1min=0.1,
        memory_total=1,
        memory_used=0,
        memory_available=1,
        healthy=True,
        nodes=nodes,
    )
    seen = Seen("/stage", 0, None, [], {}, {}, {node.name: None for node in nodes}, None, None, status)
    console = Console(width=200)
    with console.capture() as captured:
        console.print(page(seen))
    return captured.get()


def test_hosts_and_what_is_wrong_there_stand_in_one_line() -> None:
    left = NodeStatus(name="/stage/clock", host="left", level=0, message="running")
    right = [
        NodeStatus(name=f"/stage/right/{name}", host="right", level=level, message="") for name, level in (("clock", 0), ("recorder", 3))
    ]
    never = NodeStatus(name="/stage/third/clock", level=3, message="nothing was heard of it for 60 s")
    assert "hosts: left 1 node; right 2 nodes, 1 stale; never heard 1 node, 1 stale" in shown(left, *right, never)


def test_one_machine_needs_no_such_line() -> None:
    assert "hosts:" not in shown(NodeStatus(name="/clock", host="left", level=0, message="running"))
