"""A layer's page: its units in the order that was planted, what is said of each, and where each leads to."""

import math

import pytest
import torch
from torch import nn
from vision.planted import ANGLES, gabor

import sonde
from sonde.results import CheckRefused, InputError
from sonde.specimens.digits import held_out
from sonde.views import page
from sonde.vision import Atlas, atlas

SHORT = {"normalise": "none", "steps": 2}
SHUFFLED = (90, 0, 135, 45)
"""Downwards, as pictures are counted; stimuli count against the clock."""


def bank():
    """Four oriented filters in another order than that of their angles, one that sees only red, and one that is dead; rectified."""
    filters = torch.stack([gabor(angle, 9, 1 / 5, 2.5) for angle in SHUFFLED])[:, None].repeat(1, 3, 1, 1) / 3
    red = torch.zeros(1, 3, 9, 9)
    red[:, 0], red[:, 1:] = 1 / 81, -1 / 162
    conv = nn.Conv2d(3, 6, 9, padding=4)
    conv.weight = nn.Parameter(torch.cat([filters, red, torch.zeros_like(red)]))
    conv.bias = nn.Parameter(torch.tensor([0.0] * 5 + [-1.0]))
    return sonde.load(nn.Sequential(conv, nn.ReLU()))


def test_units_stand_in_the_planted_order_and_are_said_to_be_what_they_are(tmp_path):
    found = atlas(bank(), "1", pixels=32, **{**SHORT, "steps": 18})
    assert found.units == [*sorted(range(4), key=lambda unit: -SHUFFLED[unit] % 180), 4, 5] and sorted(SHUFFLED) == list(ANGLES)
    rows = {row["unit"]: row for row in found.to_frame().to_dicts()}
    for unit, angle in enumerate(SHUFFLED):
        off = (rows[unit]["angle"] + angle + 90) % 180 - 90
        assert abs(off) < 8 and rows[unit]["hue"] is None  # half a step of the sweep
    assert abs((rows[4]["hue"] + 180) % 360 - 180) < 8 and rows[4]["angle"] is None
    assert rows[5]["dead"] and rows[5]["angle"] is None and not rows[0]["dead"]
    shown = found.drawing()
    assert [line.split(":")[0] for line in shown.data["details"][0]] == [str(unit) for unit in found.units] and "links" not in shown.data
    assert "5: dead" in shown.data["details"][0] and shown.data["details"][0][0].startswith("1: waves")
    verdicts = found.check(bank(), draws=4)
    assert [verdict.holds for verdict in verdicts] == [True] * 4 + [None if found.tunings[0].height(4) == 0 else False, None]
    found.save(tmp_path / "kept")
    assert page(Atlas.load(tmp_path / "kept").document()) == page(found.document())
    with pytest.raises(CheckRefused):
        found.check(sonde.load("specimen:digits"))


def test_orders_by_families_weights_activity_and_number():
    model = bank()
    assert atlas(model, "1", order="number", pixels=32, **SHORT).units == list(range(6))
    family = atlas(model, "1", order="families", pixels=32, **SHORT)
    assert sorted(family.units) == list(range(6)) and family.families is not None
    alike = atlas(model, "0", units=[0, 1, 3, 4, 5], order="weights", pixels=32, **SHORT).units
    assert sorted(alike) == [0, 1, 3, 4, 5]
    images = torch.full((8, 3, 32, 32), 0.5)
    images[:4, 0] = 1.0
    busy = atlas(model, "1", images, order="activity", **SHORT)
    frame = busy.to_frame()
    assert frame["density"].to_list() == sorted(frame["density"].to_list(), reverse=True) and frame["density"][-1] == 0
    for wrong, said in (({"order": "beauty"}, "choose one of"), ({"order": "activity"}, "give some"), ({"units": [9]}, "there is no unit 9"),
                        ({"units": [1, 1]}, "each once"), ({"units": []}, "name some")):  # fmt: skip
        with pytest.raises(InputError, match=said):
            atlas(model, "1", pixels=32, **{**SHORT, **wrong})


def test_a_layer_without_places_and_labels_and_links():
    images, labels = held_out()
    found = atlas(sonde.load("specimen:digits"), "head", images[:60], [2, 7, 9], labels=labels[:60].tolist(), **SHORT)
    assert found.total == 10 and dict(zip(found.to_frame()["unit"], found.to_frame()["label"], strict=True))[7] == "7"
    drawn = found.drawing({7: "unit-7.html"})
    links = dict(zip(found.units, drawn.data["links"][0], strict=True))
    assert links == {2: None, 7: "unit-7.html", 9: None}
    assert math.isfinite(float(found.values.sum()))
