"""The operator of `bench.scaling`, beside the recorder: `python -m bench.scaling_lead NODES`, told by lines what to do."""

import json
import sys
import threading

import rclpy
from rclpy.context import Context

from rig_capture.nodes.clients.rig import RigClient

_LOOK_S = 0.1


def main() -> None:
    """Says so when as many nodes of simulated machines are found; then starts and stops as told."""
    wanted = int(sys.argv[1])
    context = Context()
    rclpy.init(args=[], context=context)
    node = rclpy.create_node("watch", context=context)
    look = threading.Event()
    while (found := sum(name.startswith("node_") for name in node.get_node_names())) < wanted:
        look.wait(_LOOK_S)
    node.destroy_node()
    context.shutdown()
    _answer({"nodes": found})
    with RigClient() as client:
        client.recorder_status(60.0)
        _answer({"recorder": True})
        for line in sys.stdin:
            if line.strip() == "start":
                _answer({"message": client.start_recording(timeout_s=120.0).message})
                continue
            streams = client.recorder_status().streams
            client.stop_recording()
            _answer({"lost": sum(stream.lost for stream in streams), "messages": sum(stream.messages for stream in streams)})


def _answer(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
