"""`sonde weights heads`, for people and as JSON of the published schema."""

import json

from published import follows

from sonde.cli import main

SMALL = ("--model", "specimen:induction", "-n", "8", "--networks", "2")


def run(capsys, *arguments, code=0):
    assert main(["weights", "heads", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_heads(capsys, tmp_path):
    found = follows(json.loads(run(capsys, *SMALL, "--json").out))
    assert {entry["head"] for entry in found["named"] if entry["name"] == "induction"} >= {"1.3"}
    assert all(verdict["holds"] for verdict in found["verdicts"]) and "successor" in found["left_out"]
    page = tmp_path / "heads.html"
    assert "Which heads have a name?" in run(capsys, *SMALL, "--head", "1.3", "--out", page).out
    assert "What was measured of head 1.3?" in page.read_text(encoding="utf-8")


def test_mistakes(capsys):
    assert "there is no head '9.9'" in run(capsys, *SMALL, "--head", "9.9", code=2).err
    assert "at least 8 rows" in run(capsys, "--model", "specimen:induction", "-n", "2", code=2).err
