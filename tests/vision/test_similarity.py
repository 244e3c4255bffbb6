"""Layers of two networks: the same ones, permuted ones, independent ones; learnt filters beside shuffled ones; and what chance raises is said."""

import pytest
import torch
from torch import nn

import sonde
from sonde.results import InputError, SondeError
from sonde.specimens.digits import held_out
from sonde.vision import Similarity, similarity
from sonde.vision.measures import MEASURES

LAYERS = ["blocks.0.act", "blocks.1.act", "blocks.2.act"]


@pytest.fixture(scope="module")
def digits():
    return sonde.load("specimen:digits"), held_out()[0][:64]


def test_every_measure_is_that_of_the_rows_and_chance_is_far_below(digits):
    model, pictures = digits
    found = similarity(model, LAYERS, model, LAYERS[:2], pictures, normalise="none", measures=list(MEASURES), samples=400, draws=3)
    assert found.values.shape == (7, 3, 2) and found.null.shape == (7, 3, 3, 2) and found.grid == (2, 2)
    for i in range(2):
        assert found.values[:, i, i].tolist() == pytest.approx([1] * 7, abs=1e-5)
    debiased = found.values[0]
    assert float(debiased[2, 1]) > float(debiased[2, 0])  # neighbours are more alike
    assert (found.null.amax(1) < found.values).all()
    assert float(found.null[0, :, 1, 1].min()) > 0.5  # digits fill their pictures alike, and what hangs on the place alone stays in the null
    assert abs(float((found.halves[0, 0] - found.halves[0, 1]).abs().max())) < 0.2
    rows = found.to_frame()
    assert rows.height == 7 * 6 and rows["null_high"].max() < 1


def test_cells_are_the_measures_of_layers_without_places():
    """By hand: the pictures themselves, and their linear images."""
    first, second = (sonde.load(nn.Sequential(nn.Flatten(), nn.Linear(64, 12))) for _ in range(2))
    pictures = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = similarity(first, ["1"], second, ["1"], pictures, normalise="none", other_normalise="none", draws=2)
    x, y = (one.module(pictures).detach() for one in (first, second))
    for m, name in enumerate(found.measures):
        assert float(found.values[m, 0, 0]) == pytest.approx(MEASURES[name](x, y), abs=1e-6)
    assert found.grid == (0, 0) and found.places == 1
    assert any("CKA is raised by chance: there are 40 samples and layers of up to 12 units" in note for note in found.notes)


def test_independent_layers_look_alike_to_the_naive_measure_and_are_warned_of():
    """Two channels of independent noise, each read by one network: as many units as samples."""
    nets = [nn.Sequential(nn.Flatten(), nn.Linear(128, 200)) for _ in range(2)]
    with torch.no_grad():
        nets[0][1].weight[:, 64:] = 0
        nets[1][1].weight[:, :64] = 0
    pictures = torch.rand(80, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    models = [sonde.load(one) for one in nets]
    found = similarity(models[0], ["1"], models[1], ["1"], pictures, normalise="none", other_normalise="none", draws=4)
    debiased, naive = (float(one) for one in found.values.flatten())
    assert naive > 0.3 and abs(debiased) < 0.1
    assert float(found.null[1].min()) > 0.3 and abs(float(found.null[0].mean())) < 0.1
    assert all(verdict.holds is not True for verdict in found.check(*models, pictures, draws=3))
    assert "fool all but the debiased CKA" in found.notes[-1]


def test_what_was_learnt_is_told_from_what_any_filters_share(digits):
    model, pictures = digits
    found = similarity(model, LAYERS[1:], model, LAYERS[1:], pictures, normalise="none", measures=["debiased_cka"], samples=400, draws=3)
    verdicts = found.check(model, model, pictures, draws=3)
    assert [verdict.holds for verdict in verdicts] == [True] * 4 and verdicts[3].control > 0.1  # shuffled filters share something


def test_what_is_kept(digits, tmp_path):
    model, pictures = digits
    asked = (model, LAYERS[1:], model, LAYERS[1:], pictures)
    plain = {"normalise": "none", "samples": 200, "draws": 2, "folder": tmp_path / "kept"}
    found, again = similarity(*asked, **plain), similarity(*asked, **plain)
    assert torch.equal(found.values, again.values)
    kept = Similarity.load(found.save(tmp_path / "result"))
    assert kept.drawing().to_json() == found.drawing().to_json() and found.drawing().kind == "tabs"
    with pytest.raises(SondeError, match="was computed on the model"):
        found.check(sonde.load(nn.Sequential(nn.Conv2d(1, 2, 3))), model, pictures)
    with pytest.raises(SondeError, match="compare anew"):
        found.check(model, sonde.load(nn.Sequential(nn.Conv2d(1, 2, 3))), pictures)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda m, p: similarity(m, LAYERS, m, LAYERS, p[:15], normalise="none"), "15 pictures say too little"),
        (lambda m, p: similarity(m, LAYERS, m, LAYERS, p, normalise="none", measures=["cosine"]), "choose among debiased_cka"),
        (lambda m, p: similarity(m, LAYERS, m, LAYERS, p, normalise="none", draws=1), "draws=1"),
        (lambda m, p: similarity(m, [], m, LAYERS, p, normalise="none"), "name some, each once"),
        (lambda m, p: similarity(m, ["blocks.0.act", "head"], m, LAYERS, p, normalise="none"), "has places and head of .* has none"),
        (lambda m, p: similarity(m, LAYERS, m, LAYERS, 0 * p, normalise="none"), "dead here"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make, words, digits):
    with pytest.raises(InputError, match=words) as refusal:
        make(*digits)
    assert "\n" not in str(refusal.value)
