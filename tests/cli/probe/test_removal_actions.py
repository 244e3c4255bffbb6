"""`sonde probe remove` and `sonde probe amnesic`, for people and as JSON of the published schema."""

import json

import polars as pl
import pytest
from published import follows

from sonde.cli import main


def run(capsys, *arguments, code=0):
    assert main(["probe", *map(str, arguments)]) == code
    return capsys.readouterr()


@pytest.fixture
def table(tmp_path):
    """Nouns by number, and by whether they live."""
    nouns = [("key", 0), ("cat", 1), ("dog", 1), ("table", 0), ("car", 0), ("boy", 1), ("girl", 1), ("book", 0)]
    rows = [
        {"text": f"{article} {noun}{ending}", "number": ("one", "many")[bool(ending)], "lives": ("no", "yes")[lives]}
        for article in ("The", "My", "Her", "His")
        for noun, lives in nouns
        for ending in ("", "s")
    ]
    path = tmp_path / "nouns.csv"
    pl.DataFrame(rows).write_csv(path)
    return path


def test_remove(capsys, table, tmp_path):
    asked = ["remove", "--model", "specimen:words-small", "--labels", table, "--label", "number", "--main", "lives", "--sites", "blocks.1.resid_post"]
    found = follows(json.loads(run(capsys, *asked, "--draws", 2, "--json").out))
    assert [row["eraser"] for row in found["entries"]][:2] == ["intact", "LEACE"] and found["entries"][1]["cross-covariance"] < 1e-8
    assert len(found["verdicts"]) == 2
    page = tmp_path / "page.html"
    assert "What is left of number in nouns.csv?" in run(capsys, *asked, "--eraser", "mean", "--draws", 2, "--out", page).out
    assert "lives" in page.read_text(encoding="utf-8")


def test_amnesic(capsys, table, tmp_path):
    asked = ["amnesic", "--model", "specimen:words-small", "--labels", table, "--label", "number", "--also", "lives", "--draws", 2, "--examples", 8]
    sites = ["--sites", "blocks.1.resid_post", "blocks.2.resid_post"]
    found = follows(json.loads(run(capsys, *asked, *sites, "--task", "agreement", "--json").out))
    assert [(row["property"], row["site"]) for row in found["entries"]] == [
        (p, s) for p in ("number in nouns.csv", "lives in nouns.csv") for s in sites[1:]
    ]
    texts = tmp_path / "texts.txt"
    texts.write_text("The keys are here.\n\nThe cat sleeps.\n", encoding="utf-8")
    together = follows(json.loads(run(capsys, *asked, *sites, "--texts", texts, "--together", "--json").out))
    assert [row["site"] for row in together["entries"]] == ["blocks.1.resid_post + blocks.2.resid_post"] * 2
    assert together["measures"][0] == "loss, nats per token"
    assert "Which properties are encoded" in run(capsys, *asked, "--sites", "blocks.2.resid_post").out


def test_ranks(capsys, table, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("The keys are here.\n\nThe cat sleeps.\n", encoding="utf-8")
    asked = ["ranks", "--model", "specimen:words-small", "--labels", table, "--label", "number", "--texts", texts, "--draws", 2, "--ranks", 0, 1]
    found = follows(json.loads(run(capsys, *asked, "--sites", "blocks.1.resid_post", "--json").out))
    assert [row["rank"] for row in found["entries"]] == [0, 1] and found["entries"][0]["loss, nats per token"] == 0
    assert "give one site with --sites" in run(capsys, *asked, code=2).err
    assert "directions were found" in run(capsys, *asked, 999, "--sites", "blocks.1.resid_post", code=2).err


def test_mistakes(capsys, table):
    asked = ["--labels", table, "--label", "number", "--model", "specimen:words-small"]
    assert "can't be read" in run(capsys, "amnesic", *asked, "--texts", "none.txt", code=2).err
    assert "needs two at least" in run(capsys, "amnesic", *asked, "--draws", 1, code=2).err
    assert "no column" in run(capsys, "remove", *asked, "--main", "colour", code=2).err


def test_table(capsys, table, tmp_path):
    asked = ["table", "--model", "specimen:words-small", "--labels", table, "--label", "number", "--also", "lives", "--sites", "blocks.*.resid_post"]
    small = ["--draws", 2, "--seeds", 1, "--examples", 8]
    found = follows(json.loads(run(capsys, *asked, *small, "--check", "--json").out))
    assert [row["property"] for row in found["properties"]] == ["number in nouns.csv", "lives in nouns.csv"]
    assert len(found["entries"]) == 2 * 3 and len(found["verdicts"]) == 2 * 3 * 4
    page = tmp_path / "page.html"
    said = run(capsys, *asked, *small, "--task", "agreement", "--out", page).out
    assert "How is each property encoded and used?" in said and "Is it true?" not in said
    assert "best control" in page.read_text(encoding="utf-8")
