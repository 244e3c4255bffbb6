"""How values, tokens and sentences look in a terminal whose background is not known."""

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

from sonde.views.text import token, visible

# tones that read on black and on white
POSITIVE, NEGATIVE, SEQUENTIAL = "#d97706", "#3b82f6", "#0d9488"


def tone(value: float | None, legend: dict) -> Style:
    """Give the style of a value on its legend's scale: weak values dim, strong ones bold, the strongest reversed."""
    if value is None or not legend["high"]:
        return Style(dim=True)
    share = min(1.0, abs(value) / legend["high"])
    if share < 0.1:
        return Style(dim=True)
    colour = SEQUENTIAL if legend["scale"] == "sequential" else POSITIVE if value > 0 else NEGATIVE
    return Style(color=colour, bold=share >= 0.4, reverse=share >= 0.7)


def sentence(text: str, style: str = "") -> Text:
    """Give prose in which whatever stands between backticks is drawn as a token.

    >>> sentence("It says ` are`.").plain
    'It says ·are.'
    """
    parts = text.replace("\n", " ").split("`")
    drawn = Text(style=style)
    for place, part in enumerate(parts):
        quoted = place % 2 == 1 and place < len(parts) - 1
        drawn.append(token(part) if quoted else visible(part), style="bold" if quoted else "")
    return drawn


def label(text: str) -> str:
    """Give a label as one string: prose where it quotes a token, a token otherwise.

    >>> label("after ` the`"), label(" the")
    ('after ·the', '·the')
    """
    return sentence(text).plain if text.count("`") > 1 else token(text)


def fitted(text: str, width: int) -> str:
    """Give text cut to a width in cells, with an ellipsis where something was cut.

    >>> fitted("cabinet", 4)
    'cab…'
    """
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
