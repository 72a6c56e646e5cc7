"""`rig play`: a session as if it were happening now."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from rig_capture.cli.options import DomainOption, NamespaceOption
from rig_capture.playback.session import PlayedSession


def play(
    session: Annotated[Path, typer.Argument(metavar="SESSION", help="Folder of the session.")],
    *,
    rate: Annotated[float, typer.Option("--rate", min=0.01, max=100, help="How fast: 2 is twice as fast as it was.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    start: Annotated[float, typer.Option("--start", min=0, metavar="S", help="Begin here, seconds from the first stamp.")] = 0.0,
    pause: Annotated[bool, typer.Option("--pause", help="Begin paused; the space bar goes on.")] = False,
    topic: Annotated[list[str] | None, typer.Option("--topic", help="Only this stream or topic, may hold *; may be repeated.")] = None,
    clock: Annotated[bool, typer.Option("--clock/--no-clock", help="Publish /clock, for nodes with use_sim_time.")] = True,
    delay: Annotated[float, typer.Option("--delay", min=0, max=60, metavar="S", help="Time for subscribers to find the topics.")] = 1.0,
    namespace: NamespaceOption = None,
    domain: DomainOption = None,
) -> None:
    """Play a session: all its topics with their timing, video and sound included, in this terminal until its end or Ctrl-C.

    Space pauses, arrows seek 5 and 60 seconds, + and - change the rate. Not on the domain and namespace of a rig that is up: both would
    publish on the same topics.
    """
    with PlayedSession(session, topic or ()):
        pass  # what is wrong with it is told here, in a line
    values = {
        "session": str(session.resolve()),
        "rate": rate,
        "loop": loop,
        "start_s": start,
        "paused": pause,
        "delay_s": delay,
        "keys": True,
    }
    values |= {} if clock else {"clock_hz": 0.0}
    values |= {"topics": topic} if topic else {}
    # JSON is YAML, which parameters are written in.
    arguments = [part for name, value in values.items() for part in ("-p", f"{name}:={json.dumps(value)}")]
    if namespace:
        arguments += ["-r", f"__ns:=/{namespace.strip('/')}"]
    environment = os.environ | ({} if domain is None else {"ROS_DOMAIN_ID": str(domain)})
    sys.stdout.flush()
    # The player takes this process over, with its terminal and its signals.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "rig_capture.nodes.player", "--ros-args", *arguments], environment)  # noqa: S606
