"""What every node is: settings from parameters, diagnostics once a second, and an orderly start and end.

`run_node` is the whole life of a process: signals ask for the end, and it comes in order: stop (drivers, writers, with
publishing still possible), join, destroy, shut down, exit code 0.
"""

import contextlib
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from types import FrameType
from typing import Generic, NoReturn, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from pydantic import JsonValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time

from rig_capture import __version__
from rig_capture.health.catalogue import SETTINGS_APPLIED, SETTINGS_REFUSED
from rig_capture.nodes.common.diagnosis import HEARTBEAT, OK, TOPIC, Task, settings_digest, statuses
from rig_capture.nodes.common.health import HealthReporter
from rig_capture.nodes.common.parameters import SettingsError, changed, declare_settings
from rig_capture.nodes.common.qos import data_qos, state_qos
from rig_capture.profiles.dds_files import default_file_variables
from rig_capture.profiles.host import host_name
from rig_capture.profiles.settings.base import Settings

__all__ = ["EndRequest", "LifeOfNodes", "RigNode", "data_qos", "run_node", "run_nodes", "state_qos", "time_message"]

S = TypeVar("S", bound=Settings)

EXIT_FAILURE = 1
EXIT_USAGE = 2


class RigNode(Node, Generic[S]):
    """A node whose parameters are a settings model.

    Subclasses give `settings_type`, may override `start`, `stop`, `diagnose` and `settings_changed`, and tell problems to `health`.
    """

    settings_type: type[S]
    task = "Status"
    """Name of what `diagnose` tells, in the diagnostics."""
    executor_threads = 1
    """More where a service may take long and the rest must go on."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._started_at = datetime.now(UTC)
        self.settings: S = declare_settings(self, self.settings_type)
        self.add_on_set_parameters_callback(self._set_parameters)
        self._diagnostics = self.create_publisher(DiagnosticArray, TOPIC, data_qos(50))
        self.health = HealthReporter(self)
        self.create_timer(1.0, self._report)

    def start(self) -> None:
        """Begins work; called once, before the executor spins."""

    def stop(self) -> None:
        """Ends work and joins what was started; publishing is still possible. Raises what a worker died of."""

    def check(self) -> None:
        """Called once a second. Raises what a worker died of, which ends the process, so that it is started anew."""

    def every_second(self) -> None:
        """Called once a second. One timer does for all of this: each time one is due, the executor looks at every entity of the node."""

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Level (0 well, 1 warning, 2 error, as in DiagnosticStatus), a short message, and values, for `/diagnostics`."""
        return 0, "running", {}

    def settings_changed(self, before: S) -> None:
        """Called after a live parameter was set; `self.settings` holds the new values."""

    def now_ns(self) -> int:
        """ROS time in nanoseconds since the epoch."""
        return int(self.get_clock().now().nanoseconds)

    def tasks(self) -> Iterator[Task]:
        """All lines of this node in the diagnostics: what it does, then who it is."""
        yield Task(self.task, *self.diagnose())
        yield self._heartbeat()

    def publish_diagnostics(self) -> None:
        """Publishes this node's state on `/diagnostics`; the first one says that the node is up."""
        array = DiagnosticArray(status=statuses(self.get_fully_qualified_name(), self.tasks()))
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _heartbeat(self) -> Task:
        values = {
            "pid": os.getpid(),
            "host": host_name(),
            "started_at": self._started_at.isoformat(timespec="microseconds"),
            "settings": settings_digest(self.settings),
            "version": __version__,
        }
        return Task(HEARTBEAT, OK, "alive", values)

    def _report(self) -> None:
        self.check()
        self.every_second()
        self.publish_diagnostics()

    def _set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        before = self.settings
        self.settings, result = changed(before, parameters)
        values: dict[str, JsonValue] = {parameter.name: str(parameter.value) for parameter in parameters}
        said = ", ".join(f"{name}={value}" for name, value in values.items())
        if not result.successful:
            self.health.tell(SETTINGS_REFUSED, message=f"{said}: {result.reason}", evidence=values)
        if self.settings != before:
            self.health.tell(SETTINGS_APPLIED, message=said, evidence=values)
            self.settings_changed(before)
        return result


def time_message(stamp_ns: int) -> object:
    """A builtin_interfaces/Time from nanoseconds since the epoch."""
    return Time(nanoseconds=stamp_ns).to_msg()


class EndRequest:
    """Set by signals or by any thread, waited for by the main thread.

    A pipe, since a signal that comes just before a lock is waited for does not wake that wait: Python runs handlers in the
    main thread only, but its C handler writes to the wake-up descriptor at once (`signal.set_wakeup_fd`).
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def listen_to_signals(self) -> None:
        """SIGINT and SIGTERM ask for the end from now on; main thread only."""
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _only_wake)

    def set(self) -> None:
        """Asks for the end."""
        with contextlib.suppress(BlockingIOError):  # full: asked for often enough
            os.write(self._writing, b"\0")

    def wait(self) -> None:
        """Returns once the end is asked for."""
        select.select([self._reading], [], [])


def _only_wake(number: int, frame: FrameType | None) -> None:
    """The wake-up descriptor has done all."""


class LifeOfNodes:
    """Context, nodes, executor and its thread: started and stopped in a fixed order."""

    def __init__(self, make_nodes: Callable[[], Sequence[RigNode[Settings]]]) -> None:
        self._make_nodes = make_nodes
        self.end = EndRequest()
        self._failures: list[BaseException] = []
        self._spinning = True

    def run(self) -> None:
        """Starts all nodes, waits for `end`, stops all nodes. Raises what a node or a worker died of."""
        nodes = self._make_nodes()
        threads = max(node.executor_threads for node in nodes)
        executor = SingleThreadedExecutor() if threads == 1 else MultiThreadedExecutor(threads)
        spinner = threading.Thread(target=self._spin, args=(executor,), name="executor")
        # Executor.wake() alone would not end spin_once(): that returns only after work, such as this condition's.
        last_work = nodes[0].create_guard_condition(lambda: None)
        started: list[RigNode[Settings]] = []
        try:
            for node in nodes:
                executor.add_node(node)
                started.append(node)
                node.start()
            spinner.start()
            self.end.wait()
        finally:
            for node in reversed(started):
                self._guarded(node.stop)
                self._guarded(node.health.close)
            self._spinning = False
            last_work.trigger()
            if spinner.ident is not None:
                spinner.join()
            if isinstance(executor, MultiThreadedExecutor):
                # Callbacks under way use what is destroyed below, and shutdown() does not wait for them.
                executor._executor.shutdown(wait=True)  # noqa: SLF001 - there is no other way to its threads
            executor.shutdown()
            for node in nodes:
                self._guarded(node.destroy_node)
        if self._failures:
            raise self._failures[0]

    def _spin(self, executor: SingleThreadedExecutor | MultiThreadedExecutor) -> None:
        # Not executor.spin(): its shutdown() does not wait for callbacks that run, and frees what they use.
        try:
            while self._spinning:
                executor.spin_once()
        except BaseException as failure:  # noqa: BLE001  # raised again by `run`
            self._failures.append(failure)
            self.end.set()

    def _guarded(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as failure:
            logging.getLogger(__name__).exception("%s failed", call)
            self._failures.append(failure)


def run_nodes(make_nodes: Callable[[], Sequence[RigNode[Settings]]], args: Sequence[str] | None = None) -> NoReturn:
    """A process with nodes, from signal handlers to its end.

    DDS is told of the packaged file for its discovery range, unless the environment names one.
    Its exit code is 0 after SIGINT or SIGTERM; 1 where something failed (with traceback); 2 where parameters are wrong (without).
    """
    # As `rig up` and the launch file have it, for nodes that are started by hand.
    os.environ.update(default_file_variables())
    # rclpy's own handlers shut the context down at once, and then nothing could be published at the end.
    rclpy.init(args=list(sys.argv if args is None else args), signal_handler_options=SignalHandlerOptions.NO)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    life = LifeOfNodes(make_nodes)
    life.end.listen_to_signals()
    code = 0
    try:
        life.run()
    except SettingsError as error:
        sys.stderr.write(f"error: {error}\n")
        code = EXIT_USAGE
    except BaseException:
        logging.getLogger(__name__).exception("ending after a failure")
        code = EXIT_FAILURE
    rclpy.try_shutdown()
    _leave(code)


def run_node(make_node: Callable[[], RigNode[S]]) -> NoReturn:
    """A process with one node; see `run_nodes`."""
    run_nodes(lambda: [make_node()])


def _leave(code: int) -> NoReturn:
    """Ends the process, all of whose work is done.

    Not through the interpreter's own end: that takes modules and libraries apart for a quarter of a second per node, most of the
    time that a rig would take to go down.
    """
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
