"""`sonde vision unit` and `atlas`, for people and as JSON of the published schema; mistakes are one line."""

import json

import numpy as np
import pytest
from published import follows

from sonde.cli import main

SHORT = ("--steps", 2, "--variety", 0, "--draws", 0, "--others", 2, "--partners", 1)


def run(capsys, *arguments, code=0):
    assert main(["vision", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_a_specimen_brings_its_own_pictures(capsys, tmp_path):
    out = tmp_path / "unit.html"
    other = ["--other", "specimen:digits", "--other-layer", "blocks.1.act", "--other-normalise", "none"]
    asked = ["unit", "specimen:digits", "blocks.1.act:3", *other, *SHORT, "--folder", tmp_path / "kept", "--out", out]
    found = follows(json.loads(run(capsys, *asked, "--json").out))
    assert found["unit"] == "blocks.1.act:3" and found["units"] == 32 and not found["dead"] and len(found["effect"]["others"]) == 2
    assert found["effect"]["classes"][7]["name"] == "7" and set(found["tuned"]) == {"gratings"} and found["density"] > 0
    assert found["nearest"]["partner"] == 3 and len(found["partners"]["excite"]) == 1
    assert "What is known of it?" in run(capsys, *asked).out and 1e5 < out.stat().st_size < 1.5e6


def test_pictures_and_names_of_ones_own(capsys, tmp_path):
    np.save(tmp_path / "some.npy", np.random.default_rng(0).random((12, 1, 8, 8), dtype=np.float32))
    (tmp_path / "names.csv").write_text("class_index,class_name\n" + "".join(f"{i},digit {i}\n" for i in range(10)))
    (tmp_path / "lines.txt").write_text("".join(f"number {i}\n" for i in range(10)))
    asked = ["unit", "specimen:digits", "blocks.1.act:3", "--normalise", "none", "--pictures", tmp_path / "some.npy", *SHORT, "--json"]
    for file, name in (("names.csv", "digit 4"), ("lines.txt", "number 4")):
        found = follows(json.loads(run(capsys, *asked, "--classes", tmp_path / file, "--ablation", "zero").out))
        assert found["effect"]["classes"][4]["name"] == name and len(found["examples"]) >= 12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["specimen:digits", "blocks.1.act:99"], "there is no unit 99"),
        (["specimen:digits", "blocks.1.act"], "is no unit: give LAYER:CHANNEL"),
        (["specimen:digits", "blocks.9.act:1"], "blocks.9"),
        (["specimen:words-small", "embed:1"], "no network of pictures alone"),
        (["specimen:digits", "blocks.1.act:3", "--pictures", "nowhere", "--normalise", "none"], "no folder of pictures"),
        (["specimen:digits", "blocks.1.act:3", "--pictures", "."], "state it with normalise="),
        (["specimen:digits", "blocks.1.act:3", "--classes", "nowhere.txt"], "there is no such file"),
        (["specimen:digits", "blocks.1.act:3", "--size", "9"], "pictures of your own"),
        (["specimen:digits", "blocks.1.act:3", "--labels", "folders"], "pictures of your own"),
        (["specimen:digits", "blocks.1.act:3", "--draws", "1"], "draws=1"),
        (["specimen:digits", "blocks.1.act:3", "--variety", "-2"], "variety=-2"),
        (["specimen:digits", "blocks.1.act:3", "--out", "nowhere/unit.html"], "can't be written"),
        (["specimen:digits", "blocks.1.act:3", "--other", "specimen:digits"], "belong together"),
        (
            ["specimen:digits", "blocks.1.act:3", "--other", "specimen:digits", "--other-layer", "head", "--other-order", "bgr"],
            "--other-order belong",
        ),
        (["specimen:digits", "blocks.1.act:3", "--partners", "-1"], "partners=-1"),
        (["nowhere", "blocks.1.act:3"], "nowhere"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, said):
    error = run(capsys, "unit", *arguments, code=2).err
    assert said in error and error.count("\n") == 1


def test_an_atlas_leads_to_pages_that_lie_beside_it(capsys, tmp_path):
    place = tmp_path / "layer"
    asked = ["atlas", "specimen:digits", "blocks.0.act", "--units", 2, 5, 3, "--steps", 2, "--draws", 0, "--folder", tmp_path / "kept"]
    found = follows(json.loads(run(capsys, *asked, "--pages", 5, "--out", place, "--json").out))
    assert [row["unit"] for row in found["units"]] != [] and set(found["pages"]) == {"5"}
    assert {file.name for file in place.iterdir()} == {"index.html", "unit-5.html"} and '"unit-5.html"' in (place / "index.html").read_text()
    told = run(capsys, *asked, "--by", "number", "--out", tmp_path / "one.html").out
    assert "The units of blocks.0.act" in told and (tmp_path / "one.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["blocks.0.act", "--units", "99"], "there is no unit 99"),
        (["blocks.0.act", "--by", "beauty"], "choose one of"),
        (["blocks.0.act", "--pages"], "name a folder"),
        (["blocks.0.act", "--pages", "3", "--out", "one.html"], "name a folder"),
        (["blocks.9.act"], "blocks.9"),
    ],
)
def test_mistakes_with_an_atlas_are_one_line(capsys, arguments, said):
    error = run(capsys, "atlas", "specimen:digits", *arguments, code=2).err
    assert said in error and error.count("\n") == 1
