"""`sonde features export --neuronpedia`: what is written, what is printed, and which options do not go together."""

import gzip
import json

import pytest
from published import follows

from sonde.cli import main
from sonde.dictionaries import shipped
from sonde.features import Features
from sonde.features.shipped import DATABASE

NAMES = ["--neuronpedia", "--model-id", "words", "--source-set", "res-sonde", "--creator", "somebody", "--release", "the first"]


def rows(file):
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().splitlines()]


def test_the_shipped_features_come_with_descriptions_and_directions(capsys, tmp_path):
    model = ["--explanation-model", "none-at-all"]
    assert main(["features", "export", "shipped", "--out", str(tmp_path), *NAMES, *model, "--latents", "3,7-8", "--json"]) == 0
    said = follows(json.loads(capsys.readouterr().out))
    assert (said["features"], said["described"], said["model"]) == (3, 3, "specimen:words")
    place = tmp_path / "words" / "1-res-sonde"
    assert said["folder"] == str(place)
    features, database = rows(place / "features" / "batch-0.jsonl.gz"), Features.load(DATABASE)
    assert [row["index"] for row in features] == ["3", "7", "8"]
    assert features[0]["vector"] == pytest.approx(shipped().decoder[3].tolist(), abs=1e-6)
    for row in rows(place / "explanations" / "batch-0.jsonl.gz"):
        (one,) = database.descriptions(int(row["index"]))
        assert row["description"] == one["text"] and row["explanationModelName"] == "none-at-all"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--creator", "somebody"], "--creator is of a publication: give it with --neuronpedia"),
        ([*NAMES, "--map"], "--neuronpedia writes no pages: leave --map out"),
        ([*NAMES, "--prompt", "The keys"], "leave --prompt out"),
        (["--neuronpedia", "--creator", "somebody"], "--neuronpedia needs --model-id, --source-set, --release"),
        ([*NAMES, "--suffix", "a-b"], "separate the parts"),
        ([*NAMES, "--latents", "512"], "there are latents 0 to 511"),
    ],
)
def test_what_does_not_go_together_is_one_line(given, said, capsys, tmp_path):
    assert main(["features", "export", "shipped", "--out", str(tmp_path / "out"), *given]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
    assert not list(tmp_path.iterdir())
