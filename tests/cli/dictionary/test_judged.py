"""`sonde dictionary evaluate` and `compare`: tables, verdicts and JSON of the published schema, and one line for each mistake."""

import json

import pytest
import torch
from published import follows

import sonde
from sonde.bases import PCA
from sonde.cli import main
from sonde.dictionaries import Dictionary, Part

SITE = "blocks.1.resid_post"
ASKED = ["--model", "specimen:words-small", "--texts", "8", "--apart"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Principal components, a few of them at a time: what a dictionary is, without training one."""
    model, place = sonde.load("specimen:words-small"), tmp_path_factory.mktemp("dictionaries")
    found = PCA.fit(model.run(["The capital of France is Paris.", "The dogs on the table run.", "John gave Mary a book."], read=SITE)[SITE], 12)
    for name, k in (("few", 3), ("more", 9)):
        parts = (Part(SITE, model.d_model),)
        Dictionary(
            found.components, torch.zeros(12), found.components, found.mean, "abstopk", k=k, centred=True, reads=parts
        ).save(place / name)  # fmt: skip
    return place / "few", place / "more"


def run(capsys, *arguments, code=0):
    assert main(["dictionary", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_several_are_judged_side_by_side(capsys, folders):
    found = follows(json.loads(run(capsys, "evaluate", *folders, *ASKED, "--check", "--json").out))
    rows = {row["basis"]: row for row in found["bases"]}
    assert [name for name in rows if not rows[name]["control"]] == ["few", "more"]
    assert rows["more"]["fvu"] < rows["few"]["fvu"] < 1 and rows["few"]["l0"] == 3
    assert rows["more"]["recovered_zero"] is not None and {"ce", "kl", "recovered_mean"} <= set(rows["few"])
    assert len(found["verdicts"]) == 12


def test_properties_of_the_small_world(capsys, folders):
    asked = ["evaluate", folders[1], *ASKED, "--texts", 40, "--properties", "--metric", "activity", "--no-controls", "--json"]
    found = follows(json.loads(run(capsys, *asked).out))
    f1 = {row["property"]: row["f1"] for row in found["properties"]}
    assert len(f1) > 3 and all(0 <= value <= 1 for value in f1.values())
    assert "ce" not in found["bases"][0]


def test_a_page_and_the_terminal(capsys, folders, tmp_path):
    out = tmp_path / "page.html"
    told = run(capsys, "evaluate", folders[0], *ASKED, "--metric", "reconstruction", "--out", out).out
    assert "never active in" in told and "share of the variance" in told
    assert "few" in out.read_text()


def test_two_are_compared(capsys, folders):
    found = follows(json.loads(run(capsys, "compare", *folders, *ASKED, "--check", "--json").out))
    assert found["names"] == ["few", "more"] and len(found["latents"]) == 24
    assert found["mcc"] == pytest.approx(1, abs=1e-4)  # the same directions
    assert all(row["match"] == row["latent"] for row in found["latents"] if row["matched"] and row["correlation"] > 0.9)
    assert "what splits" not in run(capsys, "compare", *folders, *ASKED).out


def test_across_models(capsys, folders):
    asked = ["compare", *folders, *ASKED, "--other-model", "specimen:words-small-b", "--json"]
    found = follows(json.loads(run(capsys, *asked).out))
    assert "neurons of the one with neurons of the other" in found["controls"]


@pytest.mark.parametrize(
    "wrong, told",
    [
        (["evaluate", "nowhere"], "nowhere"),
        (["evaluate", "{few}", "{few}"], "named twice"),
        (["evaluate", "{few}", "--metric", "scr"], "use 'properties'"),
        (["evaluate", "{few}", "--site", "blocks.9.resid_post"], "blocks.9.resid_post"),
        (["evaluate", "{few}", "--site", "blocks.1.mlp.post"], "the basis reads"),
        (["evaluate", "{few}", "--properties", "--corpus", "mine.txt"], "leave --corpus out"),
        (["evaluate", "{few}", "--out", "no/such/folder/page.html"], "can't be written"),
    ],
)
def test_mistakes_are_one_line(capsys, folders, wrong, told):
    asked = [word.replace("{few}", str(folders[0])) for word in wrong]
    err = run(capsys, asked[0], *asked[1:], *ASKED, code=2).err
    assert err.startswith("sonde dictionary: ") and told in err and len(err.strip().splitlines()) == 1
