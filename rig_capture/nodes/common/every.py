"""Calls something again and again, in a thread of its own."""

import threading
from collections.abc import Callable


class Every:
    """Owns the thread, from `start` to `stop`.

    Ten calls a second cost a hundredth of what a ROS timer does, for which the executor looks at all entities each time.
    """

    def __init__(self, name: str, interval_s: float, call: Callable[[], object]) -> None:
        """Starts nothing yet; `interval_s` passes between the end of one call and the next."""
        self._interval_s, self._call = interval_s, call
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """Begins; the first call comes after one interval."""
        self._thread.start()

    def stop(self) -> None:
        """Waits for a call that runs, and ends; `check` tells what a call failed of."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()

    def check(self) -> None:
        """Raises what a call failed of; nothing is called after that."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while not self._ending.wait(self._interval_s):
                self._call()
        except BaseException as failure:  # noqa: BLE001  # raised to the owner
            self._failure = failure
