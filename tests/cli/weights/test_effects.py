"""`sonde weights effects`, for people and as JSON of the published schema."""

import json

from published import follows

from sonde.cli import main

TEXT = "The keys on the cabinet"


def run(capsys, *arguments, code=0):
    assert main(["weights", "effects", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_effects(capsys, tmp_path):
    found = follows(json.loads(run(capsys, TEXT, "--target", " are", "--most", 2, "--json").out))
    assert found["next"][-1] == " are" and len(found["heads"]) == 2 and {entry["head"] for entry in found["entries"]} == set(found["heads"])
    page = tmp_path / "effects.html"
    assert "What do the heads do here?" in run(capsys, TEXT, "--head", "1.3", "--place", "2", "--out", page).out
    assert "Where does head 1.3 look?" in page.read_text(encoding="utf-8")


def test_mistakes(capsys):
    assert "there is no place 50" in run(capsys, TEXT, "--place", "50", code=2).err
    assert "there is no head" in run(capsys, TEXT, "--head", "7.7", code=2).err
