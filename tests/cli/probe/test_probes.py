"""The actions that train probes, for people and as JSON of the published schema, on the small world, tables and treebanks."""

import json

import polars as pl
import pytest
from published import follows

from sonde.cli import main

SMALL = ("--model", "specimen:words-small", "--sites", "embed", "blocks.0.resid_post")


def run(capsys, *arguments, code=0):
    assert main(["probe", *map(str, arguments)]) == code
    return capsys.readouterr()


@pytest.fixture
def treebank(tmp_path):
    """Sentences of four words with their parts of speech."""
    sentence = "# text = The {noun} {verb} here\n1\tThe\tthe\tDET\t_\t_\t2\tdet\t_\t_\n2\t{noun}\t{noun}\tNOUN\t_\t_\t3\tnsubj\t_\t_\n"
    sentence += "3\t{verb}\t{verb}\tVERB\t_\t_\t0\troot\t_\t_\n4\there\there\tADV\t_\t_\t3\tadvmod\t_\t_\n\n"
    pairs = [(noun, verb) for noun in ("key", "dog", "cup", "box") for verb in ("is", "was")]
    path = tmp_path / "some.conllu"
    path.write_text("".join(sentence.format(noun=noun, verb=verb) for noun, verb in pairs), encoding="utf-8")
    return path


def test_sweep(capsys, tmp_path):
    asked = ["sweep", "--words", "a country", "-n", 40, *SMALL, "--seeds", 1, "--controls", "shuffled labels", "untrained model"]
    found = follows(json.loads(run(capsys, *asked, "--check", "--json").out))
    assert found["sites"] == ["embed", "blocks.0.resid_post"] and found["best"] in found["sites"]
    assert {row["what"] for row in found["rows"]} >= {"logistic", "shuffled labels", "untrained model", "commonest"}
    assert found["verdicts"]
    page = tmp_path / "page.html"
    assert "Where can a country be read?" in run(capsys, *asked, "--out", page).out
    assert "untrained model" in page.read_text(encoding="utf-8")


def test_control_and_mdl(capsys, treebank):
    asked = ["--conllu", treebank, "--model", "specimen:words-small", "--seeds", 1]
    found = follows(json.loads(run(capsys, "control", *asked, "--sites", "embed", "--check", "--json").out))
    assert len(found["rows"]) == 6 and len(found["verdicts"]) == 6
    found = follows(json.loads(run(capsys, "mdl", *asked, "--sites", "embed", "--json").out))
    assert {row["what"] for row in found["rows"]} == {"labels", "control task", "shuffled labels"}
    assert found["uniform"] == 2
    assert "give one site with --sites" in run(capsys, "control", *asked, code=2).err


def test_pipeline(capsys, treebank):
    found = follows(json.loads(run(capsys, "pipeline", "--conllu", treebank, *SMALL, "--also", "deprel", "--json").out))
    assert len(found["layers"]) == 2


def test_transfer(capsys, tmp_path):
    for name, nouns in (("one", ["key", "dog", "cup"]), ("two", ["box", "book", "tree"])):
        rows = [{"text": f"{noun}{s}", "label": s or "none"} for noun in nouns for s in ("", "s")] * 4
        pl.DataFrame(rows).write_csv(tmp_path / f"{name}.csv")
    asked = ["transfer", "--labels", tmp_path / "one.csv", "--to", tmp_path / "two.csv", *SMALL]
    found = follows(json.loads(run(capsys, *asked, "--check", "--json").out))
    assert found["source"] == "one.csv" and found["targets"] == ["two.csv"]
    assert "give files" in run(capsys, "transfer", "--words", "a day", "--to", "x", code=2).err
    assert "--languages" in run(capsys, "transfer", "--parallel", tmp_path / "one.csv", "--to", "x", code=2).err
