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


def test_at_scale(capsys, folder, tmp_path):
    asked = ("top", *PROMPT, *SMALL, "--folder", folder, "-k", 6)

    def ranked(*more):
        rows = follows(json.loads(run(capsys, *asked, *more, "--json").out))["rows"]
        return sorted((row["example"], row["tau"]) for row in rows)

    whole = ranked()
    assert [i for i, _ in ranked("--rank", 10000)] == [i for i, _ in whole]
    strongest = max(abs(tau) for _, tau in whole)
    assert [tau for _, tau in ranked("--index", 10000)] == pytest.approx([tau for _, tau in whole], abs=2e-3 * strongest)
    assert len(ranked("--index", 8)) == len(whole)
    assert "1 of 6 pieces" in run(capsys, *asked, "--half", "--worker", "1/6", "--batch-size", 1).out
    about = follows(json.loads(run(capsys, *asked, "--site", "blocks.1.attn.z[head=0, pos=-1]", "--entry", 3, "--json").out))
    assert about["rows"] and ranked() != about["rows"]
    for more, words in (
        (("--site", "blocks.0.mlp.post[pos=-1]"), "give both"),
        (("--site", "blocks.0.mlp.post", "--entry", 0), "select one place"),
        (("--site", "blocks.7.mlp.post[pos=-1]", "--entry", 0), "blocks.7"),
        (("--index", 8, "--rank", 2), "leave one out"),
        (("--index", 8, "--damping", 0.5), "pieces of another job"),
    ):
        assert words in run(capsys, *asked, *more, code=2).err
    shared = tmp_path / "shared"
    assert "3 of 6 pieces are finished" in run(capsys, "fit", *SMALL, "--batch-size", 1, "--folder", shared, "--worker", "1/2").out
    assert "kept in" in run(capsys, "fit", *SMALL, "--batch-size", 1, "--folder", shared, "--worker", "2/2").out
    assert "give --folder with --worker" in run(capsys, "top", *PROMPT, *SMALL, "--worker", "1/2", code=2).err
    with pytest.raises(SystemExit):
        run(capsys, *asked, "--worker", "3/2")
    assert "is no share" in capsys.readouterr().err


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


def test_evaluate(capsys, tmp_path):
    file, page, suspects = tmp_path / "own.py", tmp_path / "page.html", tmp_path / "suspects.csv"
    file.write_text(
        "import torch\nfrom sonde.influence import Problem, SoftmaxRegression\ntorch.manual_seed(0)\ny = torch.arange(88) % 3\n"
        "x = torch.randn(88, 4) + 2 * torch.eye(4)[y]\n"
        "own = Problem('own', (x[:80], y[:80]), (x[80:], y[80:]), SoftmaxRegression(3), near='1:in')\n",
        encoding="utf-8",
    )
    asked = ("evaluate", file, "--subsets", 8, "--left-out", 4, "--remove", 5, "--queries", 8, "--suspects", suspects)
    told = follows(json.loads(run(capsys, *asked, "--json").out))
    assert told["lds"]["this method"] > told["lds"]["a model of shuffled labels"] and told["ceiling"] == 1
    assert set(told["rows"]) == {"lds", "leave_one_out", "removal", "mislabelled", "concentration"} and len(told["verdicts"]) == 4
    assert len(suspects.read_text(encoding="utf-8").splitlines()) == 81
    said = run(capsys, *asked, "--out", page).out
    assert "not measured: stability over seeds" in said and "examples taken away" in page.read_text(encoding="utf-8")
    for wrong, words in (
        (("evaluate", "digits"), "the built-in ones are digits-softmax, digits-mlp"),
        (("evaluate", file, "--left-out", 2), "left_out=2"),
        (("evaluate", file, "--remove", 80), "nothing would be left"),
        (("evaluate", file, "--kind", "identity", "--left-out", 0, "--remove", "--subsets", 2), "subsets=2"),
    ):
        assert words in run(capsys, *wrong, code=2).err
