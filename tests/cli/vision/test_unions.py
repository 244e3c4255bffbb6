"""`sonde vision unions`, for people and as JSON of the published schema; mistakes are one line."""

import json

import numpy as np
import pytest
from published import follows

from sonde.cli import main
from sonde.specimens import shapes

LAYERS = ["blocks.2.conv", "blocks.3.conv"]
MODEL = ["--model", "specimen:shapes"]
FEW = ["--copies", 2, "--networks", 2, "--draws", 2]


def run(capsys, *arguments, code=0):
    assert main(["vision", "unions", *map(str, arguments)]) == code
    return capsys.readouterr()


@pytest.fixture
def pictures(tmp_path):
    np.save(tmp_path / "some.npy", shapes.pictures(40, 1).pictures.numpy())
    return tmp_path / "some.npy"


def test_by_weights_alone(capsys, tmp_path):
    found = follows(json.loads(run(capsys, *LAYERS, *MODEL, *FEW, "--json").out))
    assert found["layers"] == LAYERS and len(found["null"]["filters"]["margins"]) == 2 and found["cases"] is None
    page = tmp_path / "page.html"
    told = run(capsys, *LAYERS, *MODEL, *FEW, "--out", page).out
    assert "Which candidates come nearest?" in told and page.exists()


def test_with_pictures(capsys, pictures):
    found = follows(json.loads(run(capsys, *LAYERS, *MODEL, *FEW, "--pictures", pictures, "--normalise", "none", "--check", "--json").out))
    assert set(found["invariance"]) == {"blocks.3.conv:in", "blocks.3.conv:out"} and len(found["verdicts"]) == 5 + 2 * 3
    assert len(found["cases_null"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["blocks.3.conv", *MODEL], "name two or more, each of which reads the units of the one before"),
        ([*LAYERS[::-1], *MODEL], "they do not follow each other"),
        (["blocks.1.conv", "blocks.3.conv", *MODEL], "they do not follow each other"),
        (["blocks.9.conv", "blocks.3.conv", *MODEL], "blocks.9.conv"),
        (["blocks.3.conv", "head", *MODEL], "have one column, which is its own mirror image"),
        ([*LAYERS, *MODEL, "--check"], "--check is about pictures"),
        ([*LAYERS, *MODEL, "--normalise", "none"], "--normalise is about pictures"),
        ([*LAYERS, *MODEL, "--pictures", "nowhere", "--normalise", "none"], "no folder of pictures"),
        ([*LAYERS, *MODEL, "--copies", "1"], "--copies 1: give a number of 2 or more"),
        ([*LAYERS, "--model", "specimen:words-small"], "no network of pictures alone"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, said):
    error = run(capsys, *arguments, code=2).err
    assert said in error and error.count("\n") == 1


def test_pictures_need_their_normalisation(capsys, pictures):
    assert "state it with normalise=" in run(capsys, *LAYERS, *MODEL, "--pictures", pictures, code=2).err
