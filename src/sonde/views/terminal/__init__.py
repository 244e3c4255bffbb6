"""The compact view: drawings and documents in a terminal of any width, with or without colour."""

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from sonde.results.document import Document, Section
from sonde.results.drawing import Drawing, evidence
from sonde.views.terminal.figures import claim, figure
from sonde.views.terminal.ink import sentence
from sonde.views.text import visible

__all__ = ["show"]


def show(what: Drawing | Document, console: Console) -> None:
    """Print a drawing or a whole document, as wide as the console is.

    What does not fit is reduced by a rule that is stated beside it; the page holds everything.

    Arguments:
        what: the drawing or document.
        console: the console to print to; one without colour loses nothing but beauty.
    """
    for block in _document(what, console.width) if isinstance(what, Document) else [figure(what, console.width)]:
        console.print(block)
    if isinstance(what, Document) and what.command:
        console.print(Text(f"\n{visible(what.command)}", style="dim"), soft_wrap=True)  # one line, so that it can be copied


def _document(document: Document, width: int) -> Iterator[RenderableType]:
    yield Text(visible(document.title), style="bold")
    if document.subtitle:
        yield sentence(document.subtitle)
    if document.facts:
        yield _facts(document)
    for section in document.sections:
        yield Text()
        yield Rule(Text(visible(section.title), style="bold"), align="left", characters="─", style="dim")
        yield from _section(section, width)


def _facts(document: Document) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in document.facts:
        grid.add_row(Text(visible(label)), sentence(str(value)))
    return grid


def _section(section: Section, width: int) -> Iterator[RenderableType]:
    for paragraph in filter(None, section.lead.split("\n\n")):
        yield sentence(paragraph, style="dim")
    for one in section.sentences:
        yield claim(one.text, evidence(one.verdict)) if one.verdict else sentence(one.text)
    for drawing in section.drawings:
        yield Group(Text(), Padding(figure(drawing, width - 2), (0, 0, 0, 2)))
