"""The actions on maps, pairs and paths, for people and as JSON of the published schema."""

import json

import pytest
from published import follows

from sonde.cli import main

SMALL = ("--model", "specimen:words-small")
TEXT = ("--contexts", "8", "--documents", "60", "--apart")


def run(capsys, *arguments, code=0):
    assert main(["weights", *map(str, arguments)]) == code
    return capsys.readouterr()


@pytest.mark.parametrize(
    "asked",
    [
        ("composition", *SMALL, *TEXT),
        ("digits", "--model", "specimen:words", "--head", "3.0"),
        ("copying", *SMALL, "--check"),
        ("trigrams", *SMALL, *TEXT, "--layers", 0, "-k", 4),
        ("importance", *SMALL, *TEXT),
        ("paths", "The keys on the cabinet", "--target", " are", "--foil", " is", *SMALL, "--check", "agreement", "-n", 8),
    ],
    ids=lambda asked: asked[0],
)
def test_an_action(capsys, tmp_path, asked):
    page = tmp_path / "page.html"
    found = follows(json.loads(run(capsys, *asked, "--json", "--out", page).out))
    assert found["entries"] and page.stat().st_size > 5000
    if "--check" in asked:
        assert found["verdicts"]
    if asked[0] == "paths":
        assert found["total"] == pytest.approx(found["sum"], abs=1e-3)


def test_mistakes(capsys):
    assert "no block 7" in run(capsys, "trigrams", *SMALL, *TEXT, "--layers", 7, code=2).err
    assert "does not rotate" in run(capsys, "composition", *SMALL, *TEXT, "--distance", 2, code=2).err
    assert "give one of 0.0 to 3.3" in run(capsys, "digits", "--head", "9.9", code=2).err
    assert "0 numbers below 100" in run(capsys, "digits", "--model", "specimen:induction", code=2).err
    assert "no task 'nosuch'" in run(capsys, "paths", "The keys", "--target", " are", *SMALL, "--check", "nosuch", code=2).err
    assert "give a text that it can read" in run(capsys, "bigrams", "--model", "specimen:induction", "--documents", 5, code=2).err
    assert "is 7 tokens in this tokenizer" in run(capsys, "paths", "The keys", "--target", " zzzzqq", *SMALL, code=2).err
