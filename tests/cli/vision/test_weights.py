"""`sonde vision weights`, for people and as JSON of the published schema; mistakes are one line."""

import json

import numpy as np
import pytest
from published import follows

from sonde.cli import main


def run(capsys, *arguments, code=0):
    assert main(["vision", "weights", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_partners_by_strength_and_by_contribution(capsys, tmp_path):
    found = follows(json.loads(run(capsys, "blocks.1.conv:3", "blocks.1.conv:5", "--json").out))
    assert found["source"] == "blocks.0:out" and found["ranked_by"] == "strength" and found["stride"] == [1, 1] and found["factors"] is None
    first = found["partners"]["blocks.1.conv:3"]
    assert first["excite"][0]["strength"] > 0 > first["inhibit"][0]["strength"] and first["excite"][0]["contribution"] is None
    np.save(tmp_path / "some.npy", np.random.default_rng(0).random((24, 1, 8, 8), dtype=np.float32))
    asked = ["blocks.1.conv:3", "--pictures", tmp_path / "some.npy", "--normalise", "none", "--top", 3]
    found = follows(json.loads(run(capsys, *asked, "--json", "--check", "--draws", 4, "--factors", 4, "--folder", tmp_path / "kept").out))
    assert found["ranked_by"] == "contribution" and len(found["verdicts"]) == 3 and {one["part"] for one in found["factors"]} == {0, 1, 2, 3}
    page = tmp_path / "page.html"
    told = run(capsys, *asked, "--visualise", "--steps", 2, "--out", page).out
    for words in ("Of which units of blocks.0 is blocks.1.conv:3 built?", "Which units excite and inhibit blocks.1.conv:3?", "which look for"):
        assert words in told
    assert page.exists()
    told = run(capsys, "blocks.0:2", "--to", "blocks.2.conv").out
    assert "Which units of blocks.2.conv does blocks.0:2 build?" in told and "Which units does blocks.0:2 excite and inhibit?" in told
    assert "How is blocks.2.conv built from blocks.0:out?" in run(capsys, "blocks.2.conv", "--from", "blocks.0").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["blocks.1.conv:99"], "there is no unit 99"),
        (["blocks.7:1"], "blocks.7"),
        (["blocks.1.conv:1", "--from", "blocks.9"], "blocks.9"),
        (["blocks.1.conv:1", "--from", "blocks.2"], "nothing of blocks.2:out reaches blocks.1.conv:out"),
        (["blocks.1.conv:1", "blocks.2.conv:1"], "one layer at a time"),
        (["blocks.1.conv:1", "--to", "blocks.0"], "nothing of blocks.1.conv:out reaches blocks.0:out"),
        (["blocks.1.conv:1", "--to", "blocks.2", "--from", "blocks.0"], "give one of both"),
        (["blocks.1.conv:99", "--to", "blocks.2"], "there is no channel 99"),
        (["blocks.1.conv:1", "--to", "blocks.2", "--check"], "--to tells"),
        (["blocks.1.conv:1", "--check"], "give --pictures"),
        (["blocks.1.conv:1", "--pictures", "nowhere", "--normalise", "none"], "no folder of pictures"),
        (["blocks.1.conv:1", "--pictures", "."], "state it with normalise="),
        (["blocks.1.conv:1", "--visualise"], "state it with normalise="),
        (["blocks.1.conv:1", "--factors", "99"], "factors=99: give a number from 1 to 32"),
        (["blocks.1.conv:1", "--model", "specimen:words-small"], "no network of pictures alone"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, said):
    error = run(capsys, *arguments, code=2).err
    assert said in error and error.count("\n") == 1
