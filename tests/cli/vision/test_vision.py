"""`sonde vision show` and `dream`, for people and as JSON of the published schema; mistakes are one line."""

import json

import numpy as np
import pytest
from published import follows

from sonde.cli import main

PLAIN = ("--normalise", "none", "--steps", "2")


def run(capsys, *arguments, code=0):
    assert main(["vision", *map(str, arguments)]) == code
    return capsys.readouterr()


@pytest.fixture
def picture(tmp_path):
    """A grey picture of the specimen's size."""
    np.save(tmp_path / "picture.npy", np.random.default_rng(0).random((1, 8, 8), dtype=np.float32))
    return tmp_path / "picture.npy"


def test_show(capsys, tmp_path):
    np.save(tmp_path / "some.npy", np.random.default_rng(0).random((3, 1, 8, 8), dtype=np.float32))
    found = follows(
        json.loads(run(capsys, "show", "blocks.0.act:3", "class:2", "--negative", "--dataset", tmp_path / "some.npy", *PLAIN, "--json").out)
    )
    assert [row["objective"] for row in found["pictures"]] == ["blocks.0.act:3", "-blocks.0.act:3", "class 2", "-class 2"]
    page = tmp_path / "page.html"
    assert "blocks.0.act:3" in run(capsys, "show", "blocks.0.act:3", "blocks.0.act:4", "--spectrum", 3, *PLAIN, "--out", page).out
    assert page.exists()
    told = run(
        capsys,
        "show",
        "blocks.0.act:3",
        "--diversity",
        2,
        "--of",
        "pixels",
        "--plus",
        "smoothness=2",
        "nearness=0.5",
        *PLAIN,
        "--folder",
        tmp_path / "kept",
    ).out
    assert "diversity at blocks.0.act" in told and (tmp_path / "kept").exists()


def test_dream(capsys, picture, tmp_path):
    saved = tmp_path / "dream.npy"
    asked = ["dream", picture, "blocks.0.conv", "--normalise", "none", "--octaves", 1, "--steps", 2, "--save", saved]
    found = follows(json.loads(run(capsys, *asked, "--json", "--check").out))
    assert found["after"] > found["before"] and found["moved"] and found["verdicts"] and np.load(saved).shape == (1, 8, 8)
    assert "What is read into the picture?" in run(capsys, *asked).out


def test_examples(capsys, tmp_path):
    np.save(tmp_path / "some.npy", np.random.default_rng(0).random((40, 1, 8, 8), dtype=np.float32))
    asked = ["examples", tmp_path / "some.npy", "blocks.0.act:3", "blocks.0.act:4", "--normalise", "none", "--top", 8]
    found = follows(json.loads(run(capsys, *asked, "--json", "--check", "--folder", tmp_path / "kept").out))
    assert found["count"] == 40 and len(found["verdicts"]) == 2 and {one["unit"] for one in found["examples"]} == {3, 4}
    page = tmp_path / "page.html"
    assert "When do they fire?" in run(capsys, *asked, "--out", page).out and page.exists()


def test_families(capsys, tmp_path):
    found = follows(json.loads(run(capsys, "families", "blocks.0.conv", "--by", "weights", "--null", 20, "--check", "--draws", 2, "--json").out))
    assert found["families"] == [] and len(found["units"]) == 16 and len(found["verdicts"]) == 1
    page = tmp_path / "page.html"
    asked = ["families", "blocks.0.act", "--normalise", "none", "--step", 30, "--null", 20, "--contrasts", "--across", 2, 4]
    assert "one feature, turned?" in run(capsys, *asked, "--folder", tmp_path / "kept", "--out", page).out and page.exists()


def test_motifs(capsys, tmp_path):
    np.save(tmp_path / "some.npy", np.random.default_rng(0).random((60, 1, 8, 8), dtype=np.float32))
    asked = ["motifs", "blocks.1.conv:3", "blocks.1.conv:4", "--normalise", "none", "--pictures", tmp_path / "some.npy", "--before", "blocks.0.act"]
    found = follows(json.loads(run(capsys, *asked, "--null", 20, "--check", "--json").out))
    assert [one["unit"] for one in found["units"]] == [3, 4] and all(one["groups"] >= 1 for one in found["units"]) and found["verdicts"]
    turning = ["motifs", "blocks.1.conv", "--reads", "blocks.0.act", "--normalise", "none", "--null", 20]
    assert follows(json.loads(run(capsys, *turning, "--json").out))["motifs"] == []
    assert "turn with what they read?" in run(capsys, *turning, "--out", tmp_path / "page.html").out and (tmp_path / "page.html").exists()


def test_tuning(capsys, tmp_path):
    asked = ["tuning", "blocks.0.act:3", "blocks.0.act:4", "--normalise", "none", "--step", 30]
    found = follows(json.loads(run(capsys, *asked, "--stimuli", "bars", "--json", "--check", "--draws", 2).out))
    assert [one["unit"] for one in found["units"]] == [3, 4] and len(found["verdicts"]) == 2 and len(found["at"]) == 6
    page = tmp_path / "page.html"
    assert "Which curves do they answer to?" in run(capsys, *asked, "--stimuli", "curves", "--across", 2, 4, "--out", page).out and page.exists()


@pytest.fixture
def many(tmp_path):
    """Forty grey pictures of the specimen's size."""
    np.save(tmp_path / "many.npy", np.random.default_rng(0).random((40, 1, 8, 8), dtype=np.float32))
    return tmp_path / "many.npy"


def test_match(capsys, many, tmp_path):
    asked = ["match", "blocks.1.act", "blocks.1.act", many, "--normalise", "none"]
    found = follows(json.loads(run(capsys, *asked, "--json", "--check", "--folder", tmp_path / "kept").out))
    assert [row["partner"] for row in found["units"]] == [row["unit"] for row in found["units"]] and len(found["verdicts"]) == 2
    page = tmp_path / "page.html"
    shown = ["match", "blocks.1.act:3", "blocks.1.conv", many, "--normalise", "none", "--show", 2, "--steps", 2, "--kinds", "orientation"]
    assert "Which unit is which?" in run(capsys, *shown, "--out", page).out and page.exists()


def test_similarity(capsys, many, tmp_path):
    asked = ["similarity", many, "--layers", "blocks.0.act", "blocks.1.act", "--normalise", "none", "--samples", 400, "--draws", 2]
    found = follows(json.loads(run(capsys, *asked, "--measures", "debiased_cka", "rsa", "--json", "--check").out))
    assert len(found["pairs"]) == 8 and found["pairs"][0]["value"] == pytest.approx(1) and len(found["verdicts"]) == 4
    page = tmp_path / "page.html"
    assert "Which layers say the same?" in run(capsys, *asked, "--other-layers", "blocks.2.act", "--out", page).out and page.exists()


def test_mistakes_about_two_networks_are_one_line(capsys, many):
    plain = ("--normalise", "none")
    for arguments, said in (
        (["match", "blocks.0.act", "nowhere", many, *plain], "nowhere"),
        (["match", "blocks.0.act:99", "blocks.0.act", many, *plain], "there is no unit 99"),
        (["match", "blocks.0.act", "head", many, *plain], "compare layers with places"),
        (["match", "blocks.0.act", "blocks.0.act", many], "state it with normalise="),
        (["match", "blocks.0.act", "blocks.0.act", many, *plain, "--draws", 3], "draws=3"),
        (["match", "blocks.0.act", "blocks.0.act", many, *plain, "--kinds", "colour"], "three channels"),
        (["match", "blocks.0.act", "blocks.0.act", many, *plain, "--other-order", "bgr"], "belong to --other-normalise"),
        (["match", "blocks.0.act", "blocks.0.act", many, *plain, "--other", "specimen:words-small"], "no network of pictures alone"),
        (["similarity", many, "--layers", "blocks.0.act", *plain, "--measures", "cosine"], "choose among debiased_cka"),
        (["similarity", "nowhere", "--layers", "blocks.0.act", *plain], "no folder of pictures"),
    ):
        error = run(capsys, *arguments, code=2).err
        assert said in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "blocks.0.conv:3"], "state it with normalise="),
        (["show", "blocks.0.conv:99", *PLAIN], "there is no unit 99"),
        (["show", "blocks.7:0", *PLAIN], "blocks.7"),
        (["show", "class:10", *PLAIN], "there is no class 10"),
        (["show", "head:1", *PLAIN], "Neuron"),
        (["show", "blocks.0.conv:3", "--normalise", "1,2"], "MEANS/DEVIATIONS"),
        (["show", "blocks.0.conv:3", *PLAIN, "--order", "bgr"], "belong to --normalise"),
        (["show", "blocks.0.conv:3", *PLAIN, "--spectrum", "4"], "give two"),
        (["show", "blocks.0.conv:3", *PLAIN, "--apart", "4"], "give both"),
        (["show", "class:3", *PLAIN, "--diversity", "4"], "a class has none"),
        (["show", "class:3", *PLAIN, "--plus", "sharpness=4"], "names are smoothness"),
        (["show", "class:3", *PLAIN, "--plus", "smoothness"], "give NAME=WEIGHT"),
        (["show", "blocks.0.conv:3", *PLAIN, "--dataset", "nowhere"], "no folder of pictures"),
        (["show", "blocks.0.conv:3", *PLAIN, "--model", "specimen:words-small"], "no network of pictures alone"),
        (["examples", "nowhere", "blocks.0.act:3", "--normalise", "none"], "no folder of pictures"),
        (["examples", ".", "blocks.0.act:3", "head:1", "--normalise", "none"], "one layer at a time"),
        (["examples", ".", "blocks.0.act:3", "blocks.0.act", "--normalise", "none"], "give one of both"),
        (["examples", ".", "blocks.0.act:3", "--size", "big", "--normalise", "none"], "--size big"),
        (["examples", ".", "blocks.0.act:3", "--labels", "none.csv", "--normalise", "none"], "there is no such file"),
        (["families", "blocks.0.conv", "--by", "weights", "--null", "5"], "--null 5: the 95 % quantile of a null needs 20 draws"),
        (["families", "blocks.0.conv", "--by", "weights", "--stimuli", "bars"], "--stimuli belongs to --by stimuli"),
        (["families", "blocks.0.act", "--hues", "--normalise", "none"], "--hues belongs to --by weights"),
        (["motifs", "blocks.1.conv"], "give one of --reads LAYER"),
        (["motifs", "blocks.1.conv", "--pictures", "p.npy"], "--pictures needs --before LAYER"),
        (["motifs", "blocks.1.conv:3", "--reads", "blocks.0.act"], "name blocks.1.conv alone"),
        (["motifs", "blocks.1.conv", "--reads", "blocks.0.act", "--null", "5"], "--null 5"),
        (["tuning", "blocks.0.act:99", "--normalise", "none", "--step", "90"], "there is no unit 99"),
        (["tuning", "blocks.0.act:3", "--normalise", "none", "--stimuli", "colours"], "three channels"),
        (["tuning", "blocks.0.act:3", "--normalise", "none", "--stimuli", "curves", "--across", "0"], "radii="),
        (["tuning", "blocks.0.act:3", "--normalise", "none", "--size", "9", "--step", "90"], "do not fit"),
        (["dream", "nowhere.png", "blocks.0.conv", "--normalise", "none"], "there is no file"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, said):
    error = run(capsys, *arguments, code=2).err
    assert said in error and error.count("\n") == 1


def test_pictures_of_other_modes_and_broken_ones_are_refused(capsys, tmp_path):
    images = pytest.importorskip("PIL.Image")
    images.new("RGBA", (8, 8)).save(tmp_path / "clear.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 40)
    for name, said in (("clear.png", "has the mode RGBA: convert it"), ("broken.png", "broken.png is")):
        assert said in run(capsys, "dream", tmp_path / name, "blocks.0.conv", "--normalise", "none", code=2).err
    images.new("L", (8, 8), 128).save(tmp_path / "grey.png")
    assert "page" not in run(capsys, "dream", tmp_path / "grey.png", "blocks.0.conv", "--normalise", "none", "--octaves", 1, "--steps", 1).err
