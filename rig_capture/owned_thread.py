"""A thread that belongs to one object. A leaf: imports nothing of this package."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class OwnedThread:
    """Runs a function in a thread; what that dies of is told to the owner, who starts it, joins it and checks it.

    How the function is asked to end is the owner's affair.
    """

    def __init__(self, name: str, run: Callable[[], object], died: Callable[[BaseException], object] | None = None) -> None:
        """Starts nothing yet.

        Args:
            name: of the thread.
            run: what it does; its return ends the thread.
            died: told at once of an exception that `run` let through, in the thread.
        """
        self._run, self._died = run, died
        self._thread = threading.Thread(target=self._work, name=name)
        self.failure: BaseException | None = None
        """What the thread died of."""

    def start(self) -> None:
        """Begins; once only."""
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> bool:
        """Waits for its end, where it was started; False where that did not come in time."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def check(self) -> None:
        """Raises what the thread died of."""
        if self.failure is not None:
            raise self.failure

    def _work(self) -> None:
        try:
            self._run()
        except BaseException as failure:
            log.exception("thread %s died", self._thread.name)
            self.failure = failure
            if self._died is not None:
                self._died(failure)
