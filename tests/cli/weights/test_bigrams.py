"""`sonde weights bigrams`, for people and as JSON of the published schema."""

import json
import subprocess
import sys

from published import follows

from sonde.cli import main

SMALL = ("--model", "specimen:words-small", "--contexts", "12", "--documents", "100")


def run(capsys, *arguments, code=0):
    assert main(["weights", "bigrams", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_bigrams(capsys, tmp_path):
    found = follows(json.loads(run(capsys, *SMALL, "--json").out))
    assert found["rows"][0]["count"] >= found["rows"][1]["count"] and found["verdicts"][0]["holds"] is False
    page = tmp_path / "page.html"
    assert "rows shuffled" in run(capsys, *SMALL, "--out", page).out
    assert "Which token follows which" in page.read_text(encoding="utf-8")


def test_mistakes(capsys, tmp_path):
    assert "there is no file" in run(capsys, *SMALL, "--corpus", tmp_path / "none.txt", code=2).err
    assert "the page can't be written" in run(capsys, *SMALL, "--out", tmp_path / "no" / "page.html", code=2).err


def test_help_needs_no_torch():
    code = "import sys; from sonde.cli import main\ntry: main(['weights', '--help'])\nexcept SystemExit: sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
