"""`sonde lens`: what it prints for people, as JSON of the published schema, and what it refuses."""

import json
import subprocess
import sys

from published import follows

from sonde.cli import main

PROMPT = "The keys on the cabinet"


def run(capsys, *arguments, code=0):
    assert main(["lens", *map(str, arguments)]) == code
    return capsys.readouterr()


def told(capsys, *arguments):
    return follows(json.loads(run(capsys, *arguments, "--json").out))


def test_logit(capsys, tmp_path):
    found = told(capsys, "logit", PROMPT, "The key", "--follow", " are")
    assert found["layers"] == ["embed", "0", "1", "2", "model"] and len(found["tokens"]) == 2
    last = [row for row in found["readings"] if row["layer"] == "model" and row["example"] == 0][-1]
    assert last["rank_of_final"] == 1 and last["kl"] < 1e-4 and last["rank_of ' are'"] >= 1
    page = tmp_path / "page.html"
    shown = run(capsys, "logit", PROMPT, "--read", "mlp", "--out", page).out
    assert "What does the MLP of each block say by itself?" in shown and "mlp 0" in page.read_text(encoding="utf-8")


def test_mistakes(capsys, tmp_path):
    assert "give one that is a single token" in run(capsys, "logit", PROMPT, "--follow", " nosuchwordatall", code=2).err
    assert "the page can't be written" in run(capsys, "logit", PROMPT, "--out", tmp_path / "no" / "page.html", code=2).err


def test_help_needs_no_torch():
    code = "import sys; from sonde.cli import main\ntry: main(['lens', '--help'])\nexcept SystemExit: sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
