"""`sonde explain --basis`: bases attached before the report is made, told in it and in the command that makes it again; mistakes in one line."""

import sys

import pytest

import sonde
from sonde import bases
from sonde.bases import Subspace
from sonde.cli import main
from sonde.features.shipped import DATABASE
from sonde.report import chapters

KEYS = "The keys on the cabinet"
SITE = "blocks.1.resid_post"


def test_the_bases_that_are_named_are_attached_and_told(tmp_path, capsys, monkeypatch):
    # the other sections are made elsewhere
    monkeypatch.setattr(sys.modules["sonde.report.explain"], "CHAPTERS", {key: chapters.CHAPTERS[key] for key in ("features", "verification")})
    place = tmp_path / "my plane"
    bases.save(Subspace.random(sonde.load("specimen:words").d_model, 4, seed=1), place)
    assert main(["explain", KEYS, "--basis", f"{SITE}=shipped", "--basis", f"blocks.2.resid_post={place}", "--features", str(DATABASE)]) == 0
    said = capsys.readouterr().out
    assert f"chosen features of {SITE}.features" in said and "described as" in said
    assert "blocks.2.resid_post.features" in said
    # it can be made again
    assert said.rstrip().endswith(f"--basis {SITE}=shipped --basis 'blocks.2.resid_post={place}' --features {DATABASE} --out report.html")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--basis", "shipped"], "give a site and what is attached there"),
        (["--basis", f"{SITE}=shipped", "--basis", f"{SITE}=neurons"], "each site once"),
        (["--basis", "blocks.9.resid_post=shipped"], "is no site of this model"),
        (["--basis", "blocks.1.mlp.post=shipped"], "the basis reads 128"),
        (["--basis", f"{SITE}=/nowhere"], "does not exist"),
        (["--features", "/nowhere"], "/nowhere"),
        (["--basis", f"{SITE}=neurons", "--features", str(DATABASE)], "holds features of"),
        (["--basis", f"{SITE}=shipped", "--beside-model", "specimen:words-small"], "sites of one model"),
    ],
)
def test_mistakes_are_one_line(given, said, capsys):
    assert main(["explain", KEYS, *given]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
