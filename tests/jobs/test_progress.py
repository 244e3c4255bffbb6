"""The bar is there for people and for nobody else."""

import io

import pytest
from rich.console import Console

from sonde.jobs import track


def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=80)


def test_it_counts_in_a_terminal():
    console = terminal()
    assert list(track([1, 2, 3], "counting", console=console)) == [1, 2, 3]
    assert "counting" in console.file.getvalue() and "/3" in console.file.getvalue()


def test_a_total_can_be_given():
    console = terminal()
    list(track(iter([1, 2]), "counting", total=2, console=console))
    assert "/2" in console.file.getvalue()


def test_items_can_have_sizes():
    console = terminal()
    list(track(["ab", "cde"], "counting", total=5, console=console, size=len))
    assert "5/5" in console.file.getvalue()


@pytest.mark.parametrize("console", [None, Console(file=io.StringIO())])
def test_it_is_silent_elsewhere(console, capsys):
    assert list(track([1, 2], "counting", console=console)) == [1, 2]
    assert capsys.readouterr() == ("", "") and (console is None or console.file.getvalue() == "")


def test_it_is_silent_for_machines():
    console = terminal()
    assert list(track([1, 2], "counting", shown=False, console=console)) == [1, 2]
    assert console.file.getvalue() == ""


def test_an_interrupt_leaves_the_terminal_as_it_was():
    console = terminal()
    with pytest.raises(KeyboardInterrupt):
        for item in track([1, 2, 3], "counting", console=console):
            if item == 2:
                raise KeyboardInterrupt
    assert console._live_stack == []
    assert console.file.getvalue().rstrip().endswith("\x1b[2K"), "the bar was not cleared"
