"""Features beside random directions, and the blinded sheet: what is easier to describe, for the explainer and for people."""

import csv
import json
from dataclasses import replace

import pytest
import torch
from planted_rules import RULES, planted

from sonde.bases import Codes
from sonde.features import blinded_sheet, compare_descriptions, read_sheet
from sonde.features.descriptions import Simulation
from sonde.results import CheckRefused, InputError, LoadError, Result


class Model:
    hash = ""


@pytest.fixture(scope="module")
def groups():
    """Ten latents with rules, and ten that fire at random, on the same texts."""
    rules = {f"{name} {i}": rule for name, rule in RULES.items() for i in (0, 1)}
    found = planted(texts=120, n_random=len(rules), rules=rules)
    dense = found.codes.dense()
    return {
        "features": replace(found, codes=Codes.of(dense[:, : len(rules)])), "random": replace(found, codes=Codes.of(dense[:, len(rules) :])),
    }  # fmt: skip


@pytest.fixture(scope="module")
def compared(groups):
    return compare_descriptions(groups, latents=10, scorers=[Simulation()], window=12, n=15)


def test_rules_are_easier_to_describe_than_chance(compared, tmp_path):
    verdict = compared.check(Model())[0]
    assert verdict.holds and verdict.n == 10 and verdict.measured > 0.9 and abs(verdict.control) < 0.1
    assert compared.to_frame()["group"].n_unique() == 2
    drawn = compared.drawing().data["parts"][0]["drawing"]
    assert drawn["data"]["labels"] == ["features", "random", "features, shuffled"]
    assert Result.load(compared.save(tmp_path / "kept")).to_frame().equals(compared.to_frame())


def test_chance_is_not_easier_than_rules(groups):
    """The control: the groups the other way round."""
    turned = compare_descriptions(dict(reversed(groups.items())), latents=10, scorers=[Simulation()], window=12, n=15)
    assert turned.check(Model())[0].holds is False


def test_groups_that_can_not_be_compared(groups):
    with pytest.raises(InputError, match="at least two groups"):
        compare_descriptions({"one": groups["features"]})
    with pytest.raises(InputError, match="other texts or another model"):
        compare_descriptions({"one": groups["features"], "other": planted(texts=10)})
    with pytest.raises(InputError, match="nothing of 'none' fires"):
        compare_descriptions({"one": groups["features"], "none": replace(groups["random"], codes=Codes.of(torch.zeros(len(groups["random"]), 3)))})


def filled(folder, rate, delimiter=","):
    """A sheet with a rating for each item, told from the key."""
    items = json.loads((folder / "key.json").read_text())["items"]
    with (folder / "sheet.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([("item", "rating", "words"), *((i["item"], rate(i), "a; b, c") for i in items)])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_ratings_come_back(groups, tmp_path, delimiter):
    blinded_sheet(groups, tmp_path, n=9, n_shown=4, window=12)
    filled(tmp_path, lambda item: (5 if item["group"] == "features" else 1) - (item["item"] % 2) * (item["group"] == "features"), delimiter)
    found = read_sheet(tmp_path)
    assert not found.problems and len(found.ratings) == 18 and found.ratings[0].words == "a; b, c"
    assert found.check(Model())[0].holds and found.drawing().kind == "violins" and found.to_frame().height == 18
    with pytest.raises(CheckRefused):
        found.check(type("Other", (), {"hash": "other"}))


def test_the_sheet_tells_nothing(groups, tmp_path):
    shown = blinded_sheet(groups, tmp_path, n=9, n_shown=4, window=12).read_text()
    assert "features" not in shown and "random" not in shown and shown.count("<section") == 18
    items = json.loads((tmp_path / "key.json").read_text())["items"]
    assert [item["item"] for item in items] == list(range(1, 19)) and len({item["group"] for item in items[:9]}) == 2  # mixed
    with pytest.raises(InputError, match="holds a sheet already"):
        blinded_sheet(groups, tmp_path, n=9)


def test_texts_are_shown_as_text(groups, tmp_path):
    hostile = tuple(" <script>alert(1)</script>" if word == " Mary" else word for word in groups["features"].vocabulary)
    shown = blinded_sheet({name: replace(one, vocabulary=hostile) for name, one in groups.items()}, tmp_path, n=9, window=12).read_text()
    assert "<script" not in shown and "&lt;script&gt;" in shown


def test_rows_that_can_not_be_read_are_named(groups, tmp_path):
    blinded_sheet(groups, tmp_path, n=4, n_shown=2, window=12)
    (tmp_path / "sheet.csv").write_text("item,rating,words\n1,5,x\n2,9,\n3,,\n99,3,\n1,2,\n")
    found = read_sheet(tmp_path)
    assert len(found.ratings) == 1 and len(found.problems) == 4 + 5
    assert "item 2: the rating '9'" in found.problems[0] and "line 5: item '99'" in found.problems[2]
    (tmp_path / "sheet.csv").write_text("item,rating,words\n")
    with pytest.raises(InputError, match="holds no rating"):
        read_sheet(tmp_path)
    with pytest.raises(LoadError, match="no sheet with its key"):
        read_sheet(tmp_path / "none")
    with pytest.raises(InputError, match="ask for at most"):
        blinded_sheet(groups, tmp_path / "more", n=500)
