"""`sonde influence`, for people and as JSON of the published schema."""

import json

import pytest
from published import follows

from sonde.cli import main

CORPUS = ("--corpus", "specimen:words", "--documents", "60", "--length", "24")
SMALL = ("--model", "specimen:words-small", "--contexts", "6", *CORPUS, "--labels", "empirical", "--kind", "kfac")
PROMPT = ("The keys on the cabinet", "--completion", " are")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("curvature")


def run(capsys, *arguments, code=0):
    assert main(["influence", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_fit_then_ask(capsys, folder):
    told = follows(json.loads(run(capsys, "fit", *SMALL, "--folder", folder, "--json").out))
    assert told["examples"] == 6 and told["blocks"]
    found = follows(json.loads(run(capsys, "scores", *PROMPT, *SMALL, "--folder", folder, "--json").out))
    assert "the curvature in the folder was used" in found["warnings"] and len(found["rows"]) == 6
    top = follows(json.loads(run(capsys, "top", *PROMPT, *SMALL, "--folder", folder, "-k", 2, "--json").out))
    assert [row["example"] for row in top["rows"][:2]] == [row["example"] for row in found["rows"][:2]]
    assert "another --folder" in run(capsys, "top", *PROMPT, *SMALL, "--kind", "diagonal", "--folder", folder, code=2).err


def test_for_people(capsys, folder, tmp_path):
    page = tmp_path / "page.html"
    said = run(capsys, "scores", *PROMPT, *SMALL, "--folder", folder, "--by", "token", "-k", 2, "--out", page).out
    assert "Which training examples" in said and "Which tokens of example" in page.read_text(encoding="utf-8")


def test_mistakes(capsys, tmp_path):
    own = ("--model", "specimen:words-small", "--length", "24")
    assert "read as they were" in run(capsys, "top", *PROMPT, *own, code=2).err
    assert "give --folder" in run(capsys, "fit", *SMALL, code=2).err
    assert "names no linear map" in run(capsys, "top", *PROMPT, *SMALL, "--modules", "nowhere", code=2).err
    assert "the page can't be written" in run(capsys, "top", *PROMPT, *SMALL, "--out", tmp_path / "no" / "page.html", code=2).err
