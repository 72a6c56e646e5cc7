"""Calls something again and again, in a thread of its own."""

import threading
from collections.abc import Callable

from rig_capture.owned_thread import OwnedThread


class Every:
    """Owns the thread, from `start` to `stop`.

    Ten calls a second cost a hundredth of what a ROS timer does, for which the executor looks at all entities each time.
    """

    def __init__(self, name: str, interval_s: float, call: Callable[[], object]) -> None:
        """Starts nothing yet; `interval_s` passes between the end of one call and the next."""
        self._interval_s, self._call = interval_s, call
        self._ending = threading.Event()
        self._thread = OwnedThread(name, self._run)

    def start(self) -> None:
        """Begins; the first call comes after one interval."""
        self._thread.start()

    def stop(self) -> None:
        """Waits for a call that runs, and ends; `check` tells what a call failed of."""
        self._ending.set()
        self._thread.join()

    def check(self) -> None:
        """Raises what a call failed of; nothing is called after that."""
        self._thread.check()

    def _run(self) -> None:
        while not self._ending.wait(self._interval_s):
            self._call()
