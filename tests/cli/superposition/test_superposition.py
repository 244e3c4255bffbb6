"""`sonde superposition`, for people and as JSON of the published schema."""

import json

import pytest
from published import follows

from sonde.cli import main

QUICK = ("--steps", "60", "--batch", "32", "--seeds", "2")


def run(capsys, *arguments, code=0):
    assert main(["superposition", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_toy(capsys, tmp_path):
    found = follows(json.loads(run(capsys, "toy", "--sparsity", 0, 0.9, *QUICK, "--json").out))
    assert [(row["sparsity"], row["model"]) for row in found["settings"]] == [(0, "ReLU"), (0.9, "ReLU"), (0, "linear"), (0.9, "linear")]
    assert len(found["verdicts"]) == 3
    page = tmp_path / "page.html"
    assert "How do features share dimensions?" in run(capsys, "toy", *QUICK, "--folder", tmp_path / "kept", "--out", page).out
    assert "dimensions per feature" in page.read_text(encoding="utf-8") and (tmp_path / "kept").exists()


def test_phase(capsys):
    asked = ["phase", "--sparsity", 0, 0.9, "--importance", 0.1, 2, *QUICK]
    found = follows(json.loads(run(capsys, *asked, "--json").out))
    assert len(found["cells"]) == 4 and found["verdicts"]
    assert "What becomes of the last feature?" in run(capsys, *asked).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["toy", "--sparsity", "1"], "there are no data"),
        (["toy", "-n", "5", "--relation", "correlated"], "make no correlated groups"),
        (["phase", "-n", "1"], "two features or more"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, said):
    told = run(capsys, *arguments, code=2).err
    assert said in told and told.count("\n") == 1
