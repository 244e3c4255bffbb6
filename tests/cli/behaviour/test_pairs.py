"""`sonde behaviour pairs`, as a user calls it."""

import json

import pytest
from published import follows, schema

from sonde.cli import main
from sonde.cli.behaviour import ACTIONS

PAIRS = [
    {"sentence_good": f"The {noun} on the cabinet {good} old.", "sentence_bad": f"The {noun} on the cabinet {bad} old.", "UID": noun}
    for noun, good, bad in (("keys", "are", "is"), ("key", "is", "are"), ("dogs", "are", "is"))
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join([*map(json.dumps, PAIRS), "{"]), encoding="utf-8")
    return path


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("The keys are old. The key is old. The dogs are old.", encoding="utf-8")
    return path


def test_the_verdict_on_an_ngram_model(file, text, capsys):
    assert main(["behaviour", "pairs", str(file), "--ngram", str(text), "--check", "--json"]) == 0
    (verdict,) = follows(json.loads(capsys.readouterr().out))["verdicts"]
    assert verdict["n"] == 3 and verdict["holds"] is None and "say too little" in verdict["reason"]


def test_as_json(file, text, capsys):
    assert main(["behaviour", "pairs", str(file), "--model", "specimen:words", "--ngram", str(text), "--order", "3", "--json"]) == 0
    told = follows(json.loads(capsys.readouterr().out))
    assert (told["action"], told["method"]) == ("pairs", "sentence")
    first, second = told["models"]
    assert first["overall"]["value"] == 1.0 and first["paradigms"]["keys"]["n"] == 1 and second["name"] == "3-gram of text.txt"
    assert any(warning.startswith("pairs.jsonl:4: this line is no JSON") for warning in told["warnings"])


def test_in_the_terminal_and_as_a_page(file, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["behaviour", "pairs", str(file), "-n", "1", "--check", "--out", str(page)]) == 0
    shown = capsys.readouterr().out
    assert "specimen:words" in shown and "pairs.jsonl:4" in shown and "say too little" in shown
    assert "Which phenomena does it know?" in page.read_text(encoding="utf-8")


def test_every_action_has_a_schema():
    named = [part["if"]["properties"]["action"]["const"] for part in schema("behaviour")["allOf"]]
    assert named == schema("behaviour")["properties"]["action"]["enum"] == sorted(action.__name__.rpartition(".")[2] for action in ACTIONS)


@pytest.mark.parametrize(
    "arguments, what",
    [
        (["-n", "0"], "-n 0"),
        (["--eos", "--bos"], "--eos and --bos"),
        (["--ngram", "none.txt"], "none.txt can't be read"),
        (["--lstm", "none/net"], "holds no character network 'net'"),
        (["--published", "none"], "holds neither"),
        (["--method", "pll"], "no masked language model"),
        (["--model", "specimen:mask", "--method", "one-prefix"], "fills in hidden tokens"),
        (["--model", "specimen:words", "--model", "specimen:words"], "a name of its own"),
    ],
)
def test_mistakes_are_one_line(file, arguments, what, capsys):
    assert main(["behaviour", "pairs", str(file), *arguments]) == 2
    error = capsys.readouterr().err
    assert what in error and len(error.strip().splitlines()) == 1
