"""`sonde weights attention-only`, for people and as JSON of the published schema."""

import json

from published import follows

from sonde.cli import main

SMALL = ("--layers", "0", "1", "--steps", "4", "--held-out", "8")


def run(capsys, *arguments, code=0):
    assert main(["weights", "attention-only", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_attention_only(capsys, tmp_path):
    found = follows(json.loads(run(capsys, *SMALL, "--folder", tmp_path / "models", "--json").out))
    assert list(found["in_context"]) == ["no layer", "1 layer"] and found["induction"] == [] and found["reason"]
    page = tmp_path / "study.html"
    run(capsys, *SMALL, "--folder", tmp_path / "models", "--out", page)
    assert "How does the loss fall along a row?" in page.read_text(encoding="utf-8")


def test_mistakes(capsys, tmp_path):
    assert "can&#39;t be read" in run(capsys, "--text", tmp_path / "none.txt", code=2).err.replace("'", "&#39;")
    assert "rising order" in run(capsys, "--layers", "2", "1", code=2).err
