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


def test_basis(capsys, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("The keys on the cabinet are here.\nThe dog near the trees is old.\n" * 6, encoding="utf-8")
    asked = ["basis", "--model", "specimen:words-small", "--sites", "blocks.0.mlp.post", "--rotations", 4, "--texts", texts]
    found = follows(json.loads(run(capsys, *asked, "--json").out))
    assert [row["measure"] for row in found["sites"]] == ["excess kurtosis", "largest share", "sparseness"]
    assert found["model_hash"] and len(found["verdicts"]) == 3 and "tokens left out" in found["warnings"][0]
    assert "Is the basis privileged?" in run(capsys, *asked).out


def test_split(capsys):
    found = follows(json.loads(run(capsys, "split", "--p", 0.3, 0.5, "--json").out))
    assert [row["found"] for row in found["cases"]][1] == "A" and found["switch"] == pytest.approx(0.4)
    assert "When does one neuron stand for two things?" in run(capsys, "split", "--steps", 20, "--seeds", 2).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["basis", "--texts", "nowhere.txt"], "can't be read"),
        (["basis", "--model", "specimen:words-small", "--sites", "blocks.9.mlp.post"], "blocks.9.mlp.post"),
        (["basis", "--model", "specimen:words-small", "--sites", "blocks.0.attn.pattern"], "vector for each token"),
        (["split", "--p", "0.5", "0.3"], "increasing numbers"),
    ],
)
def test_mistakes_about_bases_and_splits_are_one_line(capsys, arguments, said):
    told = run(capsys, *arguments, code=2).err
    assert said in told and told.count("\n") == 1


def test_solu(capsys, tmp_path):
    asked = ["solu", "--sizes", "1x16", "--activations", "gelu", "solu", "--steps", 2, "--rows", 2, "--texts", 40, "--folder", tmp_path / "runs"]
    found = follows(json.loads(run(capsys, *asked, "--json").out))
    assert [row["activation"] for row in found["models"]] == ["gelu", "solu"] and len(found["neurons"]) == 128
    assert (tmp_path / "runs" / "solu-1-16" / "config.json").exists()


def test_quiz(capsys, monkeypatch):
    asked = ["quiz", "--model", "specimen:words-small", "--neuron", 5, "-n", 30, "--examples", 2]
    found = follows(json.loads(run(capsys, *asked, "--hypothesis", "*s", "--json").out))
    assert found["neuron"] == 5 and found["hypothesis"] == "*s" and 0 < found["chance"] < 1
    answers = iter(["the", ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    told = run(capsys, *asked).out
    assert "What does it fire on?" in told and "the: of its strong firings" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["solu", "--sizes", "big"], "layers x width"),
        (["solu", "--sizes", "1x6"], "four heads"),
        (["quiz", "--json"], "nobody is asked"),
        (["quiz", "--model", "specimen:words-small", "--neuron", "999", "-n", "30", "--hypothesis", "a"], "neuron 999"),
    ],
)
def test_mistakes_about_neurons_are_one_line(capsys, arguments, said):
    told = run(capsys, *arguments, code=2).err
    assert said in told and told.count("\n") == 1
