"""`sonde features` collects, lists, shows and searches, for people and as JSON of the published schema."""

import json

import pytest
from published import follows

from sonde.cli import main

SITE = "blocks.1.resid_post"


def run(capsys, *arguments, code=0):
    assert main(["features", *map(str, arguments)]) == code
    return capsys.readouterr()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Neurons of the small specimen over some documents of its world."""
    place = tmp_path_factory.mktemp("features") / "neurons"
    asked = ["--model", "specimen:words-small", "--site", SITE, "--basis", "neurons", "--documents", "60", "--apart"]
    assert main(["features", "collect", str(place), *asked]) == 0
    return place


def test_collect(capsys, tmp_path):
    asked = [tmp_path / "db", "--model", "specimen:words-small", "--site", SITE, "--basis", "neurons", "--documents", 20, "--keep", 10]
    found = follows(json.loads(run(capsys, "collect", *asked, "--json").out))
    assert found["kept"] == "examples" and found["silent"] == 0 and any("keep=10" in note for note in found["warnings"])
    assert "are kept" in run(capsys, "collect", *asked).out


def test_list(capsys, folder):
    found = follows(json.loads(run(capsys, "show", folder, "--where", "maximum > 1", "--sort", "maximum", "--descending", "--json").out))
    values = [row["maximum"] for row in found["features"]]
    assert values == sorted(values, reverse=True) and min(values) > 1 and found["count"] >= len(values) > 3
    assert f"of {found['count']:,}" in run(capsys, "show", folder, "--where", "maximum > 1").out


def test_one(capsys, folder):
    found = follows(json.loads(run(capsys, "show", folder, 3, "--property", "e", "--json").out))
    assert found["record"]["latent"] == 3 and found["record"]["properties"][0]["name"] == "e"
    told = run(capsys, "show", folder, 3, "--property", "e").out
    assert all(word in told for word in ("feature 3", "promotes", "suppresses", "strongest", "likelier by", "nearest"))


def test_search(capsys, folder):
    asked = ["--prompt", "The keys on the cabinet", "--model", "specimen:words-small", "--basis", "neurons", "--limit", 4]
    found = follows(json.loads(run(capsys, "search", folder, *asked, "--by", "effect", "--json").out))
    assert len(found["active"]["firings"]) == 4 and found["active"]["firings"][0]["effects"]
    assert "effect, nats" in run(capsys, "search", folder, *asked, "--by", "effect").out
    at = json.loads(run(capsys, "search", folder, *asked, "--by", 2, "--json").out)["active"]
    assert [abs(f["values"][2]) for f in at["firings"]] == sorted((abs(f["values"][2]) for f in at["firings"]), reverse=True)
    follows(json.loads(run(capsys, "search", folder, "the", "--json").out))


@pytest.mark.parametrize(
    "asked, message",
    [
        (["show", "FOLDER", "900"], "there is no latent 900"),
        (["show", "FOLDER", "--where", "size > 3"], "is no filter"),
        (["show", "nowhere"], "is no artifact"),
        (["search", "FOLDER"], "say what to look for"),
        (["search", "FOLDER", "--prompt", "a", "--model", "specimen:words-small"], "say whose features these are with --basis"),
        (["search", "FOLDER", "--prompt", "The key", "--basis", "neurons"], "was collected from the model"),
        (["collect", "new", "--site", SITE, "--basis", "nothing"], "nothing does not exist"),
        (["collect", "FOLDER", "--site", SITE, "--basis", "neurons", "--documents", "5"], "holds another collection"),
    ],
)
def test_mistakes_are_one_line(capsys, folder, asked, message):
    told = run(capsys, *(str(folder) if part == "FOLDER" else part for part in asked), code=2).err
    assert message in told and told.count("\n") == 1
