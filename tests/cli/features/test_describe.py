"""`sonde features describe` and `sheet`, for people and as JSON of the published schema."""

import csv
import json
import shutil

import pytest
from published import follows

from sonde.cli import main
from sonde.features import Features

MODEL = ["--model", "specimen:words-small", "--basis", "neurons"]


def run(capsys, *arguments, code=0):
    assert main(["features", *map(str, arguments)]) == code
    return capsys.readouterr()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The entries of the small specimen's residual stream over some documents, and the same once more."""
    place = tmp_path_factory.mktemp("features") / "stream"
    assert main(["features", "collect", str(place), *MODEL, "--site", "blocks.1.resid_post", "--documents", "40", "--apart"]) == 0
    return [place, shutil.copytree(place, place.with_name("again"))]


def test_describe(capsys, folders, tmp_path):
    asked = ["describe", folders[0], "--sample", 6, "-n", 5, "--scorers", "detection,intruder", "--save", tmp_path / "kept"]
    found = follows(json.loads(run(capsys, *asked, "--json").out))
    assert found["action"] == "describe" and len(found["descriptions"]) == 6 and len(found["scores"]) == 12 and found["judge"] == "rules"
    assert found["usage"]["requests"] == 0 and len(found["verdicts"]) == 2
    one = found["descriptions"][0]
    assert Features.load(folders[0]).descriptions(one["latent"])[0]["text"] == one["text"]
    assert one["text"] in run(capsys, "show", folders[0], one["latent"]).out.replace("\n", "")
    told = run(capsys, "describe", folders[0], "--latents", "3,5,6", "-n", 5, "--out", tmp_path / "page.html").out
    assert "Do the words predict?" in told and "shuffled" in told and "answers" in told and (tmp_path / "page.html").stat().st_size > 1000


def test_a_local_model_and_an_intervention(capsys, folders):
    """A small specimen can't answer questions: all its answers are counted as not read, and its scores are chance."""
    asked = ["describe", folders[1], "--latents", "0,1", "-n", 1, "--local", "specimen:words-small", "--scorers", "detection,intervention", *MODEL]
    found = follows(json.loads(run(capsys, *asked, "--json").out))
    assert found["failures"] > 0 and {score["value"] for score in found["scores"]} == {0.5} and "specimen" in found["judge"]
    assert "budget of 5 tokens" in run(capsys, *asked, "--budget", 5, code=2).err


def test_beside_another_database(capsys, folders):
    told = run(capsys, "describe", folders[0], "--sample", 4, "-n", 3, "--scorers", "simulation", "--beside", folders[1]).out
    assert "easier to describe than" in " ".join(told.split())


def test_sheet(capsys, folders, tmp_path):
    place = tmp_path / "sheet"
    named = [f"neurons={folders[0]}", f"stream={folders[1]}"]
    assert "write ratings into" in run(capsys, "sheet", place, *named, "-n", 4, "--texts", 3).out
    with (place / "sheet.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("item", "rating", "words"), *((i + 1, 1 + i % 5, "") for i in range(8))])
    found = follows(json.loads(run(capsys, "sheet", place, "--json").out))
    assert len(found["ratings"]) == 8 and "neurons than in stream" in found["verdicts"][0]["claim"]
    assert "What a person said" in run(capsys, "sheet", place).out


@pytest.mark.parametrize(
    "asked, message",
    [
        (["--latents", "900"], "give at least one from 0 to"),
        (["--scorers", "guessing"], "choose from detection"),
        (["--scorers", "surprisal"], "name one with --local"),
        (["--client", "http://127.0.0.1:9/v1"], "--client-model"),
        (["--client", "nowhere", "--client-model", "x"], "give an address such as"),
        (["--client", "http://127.0.0.1:9/v1", "--client-model", "x", "--key-variable", "NO_SUCH_KEY"], "'NO_SUCH_KEY' of --key-variable is not set"),
        (["--scorers", "intervention", "--basis", "neurons"], "was collected from the model"),
        (["--beside", "nowhere"], "is no artifact"),
    ],
)
def test_mistakes(capsys, folders, asked, message):
    error = run(capsys, "describe", folders[0], "--sample", 2, "-n", 2, *asked, code=2).err if "--latents" not in asked else ""
    error = error or run(capsys, "describe", folders[0], *asked, code=2).err
    assert message in error and error.count("\n") == 1


def test_mistakes_with_sheets(capsys, folders, tmp_path):
    assert "a name of its own" in run(capsys, "sheet", tmp_path / "s", folders[0], folders[1], code=2).err
    assert "no sheet with its key" in run(capsys, "sheet", tmp_path / "none", code=2).err
