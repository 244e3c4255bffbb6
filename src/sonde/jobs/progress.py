"""One progress bar for everything that takes long, on standard error; silent where nobody would see it."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")


def track(
    items: Iterable[T], description: str, total: int | None = None, shown: bool = True, console: Console | None = None,
    size: Callable[[T], int] | None = None,
) -> Iterator[T]:  # fmt: skip
    """The items, one after the other, with a bar that says how far they are.

    The bar appears only in a terminal, so that logs and pipes stay clean, and is gone when the loop ends, is left, or is interrupted.

    Arguments:
        items: what the loop is over.
        description: what is being done, a few words.
        total: how many items there are, where `items` does not know it; of items that have sizes, the sum of these.
        shown: `False` where the output is for machines.
        console: where to draw; standard error if not given.
        size: how much of the work an item is, where they are not alike.

    >>> sum(track([1, 2, 3], "adding"))
    6
    """
    console = console or Console(stderr=True)
    if not shown or not console.is_terminal:
        yield from items
        return
    if total is None and size is None and isinstance(items, Collection):
        total = len(items)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(description, total=total)
        for item in items:
            yield item
            progress.advance(task, 1 if size is None else size(item))
