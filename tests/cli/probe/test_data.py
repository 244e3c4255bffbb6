"""`sonde probe data` says what would be probed, for people and as JSON of the published schema."""

import json
import subprocess
import sys

import polars as pl
from published import follows

from sonde.cli import main


def run(capsys, *arguments, code=0):
    assert main(["probe", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_words(capsys, tmp_path):
    found = follows(json.loads(run(capsys, "data", "--words", "a country", "-n", 100, "--json").out))
    assert found["classes"]["yes"] == found["classes"]["no"] > 10
    assert found["without_a_model"]["word"] > found["without_a_model"]["commonest class"]
    page = tmp_path / "page.html"
    assert "without any model" in run(capsys, "data", "--words", "a country", "-n", 100, "--out", page).out
    assert "a country" in page.read_text(encoding="utf-8")


def test_a_table_and_its_balance(capsys, tmp_path):
    path = tmp_path / "some.csv"
    pl.DataFrame({"say": ["a b", "c d", "e f", "g"], "is": [1, 0, 0, 0], "from": [0, 0, 2, 7], "to": [1, 1, 3, 9]}).write_csv(path)
    asked = ["data", "--labels", path, "--text", "say", "--label", "is", "--span", "from", "to"]
    found = follows(json.loads(run(capsys, *asked, "--json").out))
    assert found["classes"] == {"0": 2, "1": 1}
    assert "row 4 of some.csv was left out" in found["warnings"][0]
    assert json.loads(run(capsys, *asked, "--balanced", "--json").out)["classes"] == {"0": 1, "1": 1}
    assert "row 4" in run(capsys, *asked).out


def test_mistakes(capsys, tmp_path):
    assert "sonde probe: the small world knows no property 'x'" in run(capsys, "data", "--words", "x", code=2).err
    assert "can't be read" in run(capsys, "data", "--conllu", tmp_path / "none.conllu", code=2).err
    assert "the page can't be written" in run(capsys, "data", "--words", "a day", "--out", tmp_path / "no" / "page.html", code=2).err


def test_help_needs_no_torch():
    code = "import sys; from sonde.cli import main\ntry: main(['probe', '--help'])\nexcept SystemExit: sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
