"""The terminal view: nothing wider than the console, nothing hostile reaches it, nothing is said by colour alone."""

import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from views.extremes import extreme_documents
from views.sample import sample_document

from sonde.results.document import Document
from sonde.results.drawing import Drawing, attention, bars, lens, matrix, tabs, tokens, waterfall
from sonde.views import terminal
from sonde.views.text import readable, token, visible


def printed(what: Drawing | Document, width: int = 80, **how) -> str:
    console = Console(file=io.StringIO(), width=width, **how)
    terminal.show(what, console)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_sample_fits_the_console(width: int) -> None:
    lines = printed(sample_document(), width).splitlines()
    assert max(map(cell_len, lines[:-1])) <= width  # the last line is the command: one line, to be copied


@pytest.mark.parametrize("name", extreme_documents())
def test_extremes_are_printed_without_control_characters(name: str) -> None:
    for width in (30, 100):
        output = printed(extreme_documents()[name], width)
        assert visible(output.replace("\n", "")) == output.replace("\n", "")


def test_a_value_is_written_where_colour_is_missing() -> None:
    plain = printed(tokens("Push", "logits", ["The", " keys"], [0.5, -2.0]))
    assert "·keys" in plain
    assert "−2.00" in plain
    assert "\x1b" not in plain


def test_colour_adds_nothing_but_styles() -> None:
    drawing = tokens("Push", "logits", ["The", " keys"], [0.5, -2.0])
    coloured = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="truecolor")
    terminal.show(drawing, coloured)
    assert "\x1b[" in coloured.file.getvalue()


def test_a_big_matrix_says_what_it_leaves_out() -> None:
    values = [[0.0] * 64 for _ in range(64)]
    values[3][5] = -7.0
    output = printed(matrix("Where?", "logits", values, row_name="query", rows=range(64), col_name="key", cols=range(64)))
    assert "query 3 · key 5" in output
    assert "the strongest 10 of 4096 cells" in output


def test_a_waterfall_sums_what_it_leaves_out() -> None:
    output = printed(waterfall("t", "u", [f"part {i}" for i in range(13)], [13.0 - i for i in range(13)], total=90.0), 100)
    assert "the other 3, summed" in output
    figures = {line.split("  ")[0].rstrip(): line for line in re.sub(r" +([+−])", r"  \1", output).splitlines()}
    assert "+6.0" in figures["the other 3, summed"]
    assert "→ +91.0" in figures["the other 3, summed"].replace("  +", " +")  # all thirteen
    assert "−1.0" in figures["remainder"]
    assert "+90.0" in figures["total"]


def test_attention_says_where_each_token_looks() -> None:
    patterns = [[[1.0, 0.0], [0.9, 0.1]], [[1.0, 0.0], [0.0, 1.0]]]
    output = printed(attention("t", ["The", " keys"], patterns, ["0.0", "2.1"], details=["", "self"], chosen=1))
    assert "head 2.1  self" in output
    assert "·keys ·keys 1.00" in output
    assert "0.0  The 0.90  ·keys 0.10" in output


def test_one_table_in_several_colours_is_printed_once_and_in_figures() -> None:
    def table(unit: str, values: list[list[float]], top: str = " are") -> Drawing:
        return lens("Next?", unit, tokens=["The", " keys"], layers=["embed", "model"], top=[["a", "b"], ["c", top]], values=values)

    output = printed(tabs("Next?", [("share", table("probability", [[0.1, 0.2], [0.3, 0.456]])), ("far", table("nats", [[9.0, 8.0], [7.0, 6.54]]))]))
    assert output.count("·are") == 1 and "share 0.200 0.456" in output and re.search(r"far +8.00 +6.54", output)
    assert "coloured by share" in output and "far: nats" in output and "at the last position, ·keys" in output
    apart = printed(tabs("Next?", [("a", table("u", [[0.1, 0.2], [0.3, 0.4]])), ("b", table("u", [[0.1, 0.2], [0.3, 0.4]], " is"))]))
    assert "·are" in apart and "·is" in apart, "two tables are two"


def test_every_tab_is_printed_under_its_label() -> None:
    output = printed(tabs("t", [("first", tokens("a", "u", ["x"], [1.0])), ("second", tokens("b", "u", ["y"], [2.0]))]))
    assert output.index("first") < output.index("x") < output.index("second") < output.index("y")


def test_badges_are_words_and_shapes() -> None:
    output = printed(sample_document())
    for words in ("✓ ", "✗ ", "? ", "holds: ", "does not hold: ", "not testable: "):
        assert words in output


@given(st.text())
def test_no_text_hides_or_commands(text: str) -> None:
    shown = visible(text)
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") and char not in "\u200c\u200d" for char in shown)
    assert token(text)


@given(st.floats(allow_nan=True, allow_infinity=False), st.booleans())
def test_numbers_are_short_and_signed(value: float, signed: bool) -> None:
    written = readable(value, signed=signed)
    assert len(written) <= 11
    assert written.startswith("−") == (value < 0)


def test_a_long_label_gives_way_and_no_figure() -> None:
    names = [f"{i}: a text that is much longer than the terminal is wide, and then some more of it" for i in range(3)]
    drawing = bars("t", "u", names, [1.25, -0.5, 0.125], zero="none")
    for width in (50, 80):
        told = printed(drawing, width)
        assert all(figure in told for figure in ("+1.25", "−0.50", "+0.12")) and "━" in told and "╌" in told
