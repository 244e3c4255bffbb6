"""`sonde dictionary train`: several dictionaries in one pass, transcoders, end to end, from disk; wrong questions in one line."""

import json

import pytest
from published import follows

from sonde.cli import main
from sonde.cli.features.shared import kept_basis
from sonde.dictionaries import Training
from sonde.dictionaries.formats import read

SITE = "blocks.1.resid_post"
SMALL = ["--documents", "60", "--activations", "1024", "--batch", "256", "--buffer", "1024", "--model", "specimen:words-small"]


def run(capsys, *arguments, code=0):
    assert main(["dictionary", "train", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_several_learn_in_one_pass(capsys, tmp_path):
    asked = ["--site", SITE, "--size", 48, "--size", 64, "-k", 4, "--seed", 0, "--seed", 1, *SMALL, "--folder", tmp_path / "out"]
    found = follows(json.loads(run(capsys, *asked, "--json").out))
    assert len(found["trained"]) == 4 and {row["size"] for row in found["trained"]} == {48, 64}
    for row in found["trained"]:
        dictionary = Training.load(row["folder"]).dictionary
        assert dictionary.size == row["size"] and dictionary.k == 4 and dictionary.reads[0].site == SITE
        # what was written is what the other commands take
        assert read(row["folder"]).hash == kept_basis(row["folder"]).hash == dictionary.hash
    told = run(capsys, *asked).out  # finished already: nothing is trained again
    assert "48 latents" in " ".join(told.split()) and "packed" in told


@pytest.mark.parametrize(
    "asked, activation",
    [
        (["--architecture", "gated", "--weight", "2"], "gated"),
        (["--architecture", "batchtopk", "-k", "4"], "jumprelu"),
        (["--site", "blocks.1.mlp.in", "--writes", "blocks.1.mlp.out", "--skip", "-k", "4"], "topk"),
        (["--end-to-end", "kl", "-k", "4"], "topk"),
    ],
    ids=["gated", "batchtopk", "transcoder", "end to end"],
)
def test_each_kind(capsys, tmp_path, asked, activation):
    site = [] if "--site" in asked else ["--site", SITE]
    run(capsys, *site, *asked, "--size", 48, *SMALL, "--batch", 2048, "--activations", 2048, "--buffer", 2048, "--folder", tmp_path)
    (folder,) = [path for path in tmp_path.iterdir() if path.name != "checkpoint"]
    dictionary = Training.load(folder).dictionary
    assert dictionary.activation == activation and dictionary.transcodes == ("--writes" in asked)


def test_from_disk(capsys, tmp_path):
    model = ["--model", "specimen:words-small", "--documents", "60"]
    assert main(["dictionary", "collect", "--site", SITE, "--folder", str(tmp_path / "acts"), *model]) == 0
    asked = ["--site", SITE, "--store", tmp_path / "acts", "-k", 4, "--size", 48, *SMALL, "--folder", tmp_path / "out", "--json"]
    capsys.readouterr()
    assert len(follows(json.loads(run(capsys, *asked).out))["trained"]) == 1


@pytest.mark.parametrize(
    "wrong, told",
    [
        (["--site", "blocks.9.resid_post"], "blocks.9.resid_post"),
        (["--site", SITE, "--weight", "3"], "its sparsity is set by -k"),
        (["--site", SITE, "--architecture", "relu", "-k", "3"], "its sparsity is set by --weight"),
        (["--site", SITE, "-k", "500", "--size", "48"], "k=500 of 48 latents"),
        (["--site", SITE, "--end-to-end", "kl", "--writes", "blocks.2.resid_post"], "leave out --store and --writes"),
        (["--site", SITE, "--store", "nowhere"], "nowhere"),
    ],
)
def test_wrong_questions_are_told_in_one_line(capsys, tmp_path, wrong, told):
    found = run(capsys, *wrong, *SMALL, "--folder", tmp_path, code=2)
    assert told in found.err and len(found.err.strip().splitlines()) == 1
