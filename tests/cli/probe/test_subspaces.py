"""`sonde probe subspace`, `illusion` and `structure`, for people and as JSON of the published schema."""

import json

import pytest
from published import follows

from sonde.cli import main

SITE = "blocks.2.resid_post[pos=-1]"
SEARCH = ["--task", "agreement", "-n", 24, "--site", SITE, "--steps", 3, "--starts", 1, "--draws", 2]

TREES = "\n".join(
    f"# text = The {a} near the {b} is {c}.\n"
    + "\n".join(
        f"{i}\t{form}\t_\t{'PUNCT' if form == '.' else 'X'}\t_\t_\t{head}\t_\t_\t{'SpaceAfter=No' if form == c else '_'}"
        for i, (form, head) in enumerate(zip(["The", a, "near", "the", b, "is", c, "."], [2, 6, 5, 5, 2, 7, 0, 7], strict=True), 1)
    )
    + "\n"
    for a in ("key", "cat", "dog", "box")
    for b in ("table", "door", "tree")
    for c in ("big", "old")
)


def run(capsys, *arguments, code=0):
    assert main(["probe", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_directions_are_searched_for_kept_and_tested(capsys, tmp_path):
    found = follows(json.loads(run(capsys, "subspace", *SEARCH, "--save", tmp_path / "line", "--json").out))
    assert [one["swapped"] for one in found["swaps"][:4]] == ["found directions", "whole site", "mean difference", "gradient"]
    assert found["swaps"][1]["accuracy"] == 1 and (found["size"], found["width"]) == (1, 128) and len(found["verdicts"]) == 2
    tested = follows(json.loads(run(capsys, "illusion", *SEARCH, "--directions", tmp_path / "line", "--reader", "blocks.3.mlp.pre", "--json").out))
    assert tested["readers"] == ["blocks.3.mlp.pre"] and tested["rank"] == 127 and tested["lengths"]["row"] == pytest.approx(1, abs=0.1)
    page = tmp_path / "page.html"
    assert "of the directions" in run(capsys, "illusion", *SEARCH, "--out", page).out  # searched for on other examples
    assert "only push it" in page.read_text(encoding="utf-8")


def test_trees(capsys, tmp_path):
    path = tmp_path / "trees.conllu"
    path.write_text(TREES + "\n", encoding="utf-8")
    asked = ["structure", "--conllu", path, "--sites", "embed", "blocks.1.resid_post", "--rank", 8, "--epochs", 1]
    found = follows(json.loads(run(capsys, *asked, "--json").out))
    assert [row["site"] for row in found["sites"]] == ["embed", "blocks.1.resid_post"] and found["controls"]["left-to-right chain"] < 1
    assert "How much of the tree is there?" in run(capsys, *asked, "--no-untrained", "--out", tmp_path / "page.html").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["subspace", "--task", "agreement", "--site", "blocks.9.resid_post"], "blocks.9.resid_post"),
        (["subspace", "--task", "agreement", "-n", 32, "--site", SITE, "--size", 500], "size=500"),
        (["illusion", "--task", "agreement", "--site", SITE, "--directions", "nowhere"], "nowhere"),
        (["structure", "--conllu", "nowhere.conllu"], "can't be read"),
    ],
)
def test_mistakes(capsys, arguments, message):
    assert message in run(capsys, *arguments, code=2).err
