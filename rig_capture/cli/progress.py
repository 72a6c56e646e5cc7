"""A progress bar on standard error, for work that tells how many of how many bytes are done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def byte_progress(verb: str, name: str) -> Iterator[Callable[[str, int, int], None]]:
    """Shows a bar while the block runs, where standard error is a terminal.

    Args:
        verb: such as ``verifying``.
        name: shown until the work tells what it is at.

    Yields:
        To be told what is being worked on, and how many of how many bytes are done.
    """
    console = Console(stderr=True)
    columns = (TextColumn(f"{verb} {{task.description}}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield show
