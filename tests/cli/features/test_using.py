"""`sonde features steer`, `dose`, `contributions` and `guard`: for people, as JSON of the published schema, and with mistakes."""

import json

import pytest
import torch
from published import follows

from sonde.cli import main
from sonde.dictionaries import Dictionary

SITE = "blocks.1.resid_post"
MODEL = ["--model", "specimen:words-small", "--documents", "30"]


@pytest.fixture(scope="module")
def basis(tmp_path_factory):
    """A random dictionary of the small specimen, kept."""
    import sonde

    width, generator = sonde.load("specimen:words-small").d_model, torch.Generator().manual_seed(0)
    encoder, decoder = (torch.nn.functional.normalize(torch.randn(12, width, generator=generator), dim=1) for _ in range(2))
    folder = tmp_path_factory.mktemp("basis") / "random"
    return str(Dictionary(encoder, torch.zeros(12), decoder, torch.zeros(width)).save(folder))


@pytest.fixture
def run(capsys, basis):
    def called(action, *arguments, code=0):
        assert main(["features", action, *map(str, arguments), *MODEL, "--basis", basis, "--site", SITE]) == code
        return capsys.readouterr()

    return called


def test_steer(run, tmp_path):
    asked = ["The keys", "--feature", "3=4", "--feature", "5+1", "--samples", 2, "--tokens", 3, "--matching", "is"]
    found = follows(json.loads(run("steer", *asked, "--json").out))
    assert found["features"] == ["3=4", "5+1"] and len(found["samples"]) == 2 and len(found["loss"]["plain"]) == 30
    assert found["verdicts"][0]["holds"] is None and "held-out" in found["warnings"][0]
    told = run("steer", *asked[:7], "--tokens", 3, "--out", tmp_path / "page.html").out
    assert "What does steering do?" in told and "What does it cost elsewhere?" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_dose(run):
    found = follows(
        json.loads(run("dose", "--task", "agreement", "-n", 8, "--feature", 3, "--dose", 0, 2, "--draws", 2, "--claim", "rises", "--json").out)
    )
    assert found["doses"] == [0, 2] and len(found["values"][1]) == 8 and len(found["verdicts"]) == 3
    told = run("dose", "The keys", "The key", "--token", " are", "--feature", 3, "--dose", 0, 1, "--draws", 2, "--add").out
    assert "Does the property follow the feature?" in told
    found = json.loads(run("dose", "The keys", "--words", "is", "are", "--feature", 3, "--dose", 0, 1, "--draws", 2, "--json").out)
    assert found["unit"] == "share of words in are, is"


def test_contributions(run):
    found = follows(json.loads(run("contributions", "--task", "agreement", "-n", 16, "--top", 3, "--check", "--json").out))
    assert found["n"] == 8 and len(found["contributions"]) == 24 and len(found["verdicts"]) == 2
    assert {"total", "direct", "linear", "estimate"} <= set(found["contributions"][0])
    found = json.loads(run("contributions", "--text", "The keys on the", "--top", 2, "--json").out)
    assert {row["token"] for row in found["contributions"]} <= {"The", " keys", " on", " the"}
    assert "Which features matter" in run("contributions", "--text", "The keys").out


def test_guard(run, tmp_path):
    texts, log = tmp_path / "texts.txt", tmp_path / "log.jsonl"
    texts.write_text("\n".join(f"The {noun} is {end}." for noun in ("key", "dog", "cat", "table") for end in ("old", "new", "here")))
    kept = ["--save", tmp_path / "guard"]
    found = follows(json.loads(run("guard", "--rule", "three=3:block", "--rate", 0.1, "--harmful", texts, "--check", *kept, "--json").out))
    assert found["n"] == 30 and found["rules"][0]["rule"] == "three" and found["hits"][-1]["rule"] == "any rule"
    assert found["verdicts"][0]["n"] == 30 and not found["texts"]
    written = json.loads(run("guard", "The keys", "--load", tmp_path / "guard", "--tokens", 3, "--log", log, "--json").out)
    assert len(written["texts"]) == 1 and written["blocked"] == [bool(written["events"])]
    assert "What was written?" in run("guard", "The keys", "--rule", "a=1", "--rate", 0.1, "--tokens", 2).out


@pytest.mark.parametrize(
    ("action", "asked", "message"),
    [
        ("steer", ["The", "--feature", "x"], "write 12=4"),
        ("steer", ["The", "--feature", "99=1"], "counted from 0"),
        ("steer", ["The", "--feature", "1=1", "--matching", "("], "no regular expression"),
        ("dose", ["--feature", "1"], "one of both"),
        ("dose", ["The", "--feature", "1"], "which property"),
        ("dose", ["The", "--feature", "1", "--token", "a", "--words", "b"], "one property at a time"),
        ("contributions", [], "one of both"),
        ("contributions", ["--text", "The", "--check"], "proves nothing"),
        ("guard", [], "one of both"),
        ("guard", ["--rule", "x"], "NAME=N:ACTION"),
        ("guard", ["--rule", "x=1", "--rate", "0.0001"], "give at least"),
        ("guard", ["--rule", "x=1", "--harmful", "nowhere.txt"], "there is no file"),
        ("guard", ["--rule", "x=1", "--texts", "nowhere.txt"], "there is no file"),
    ],
)
def test_mistakes_are_one_line(run, action, asked, message):
    told = run(action, *asked, code=2)
    assert message in told.err and not told.out and told.err.count("\n") == 1
