"""What is shipped is what the recipe makes, of documents that the specimen was trained on."""

import sys

import pytest
import torch

import sonde
from sonde.influence import ShippedInfluence, shipped
from sonde.influence.shipped import WEIGHTS
from sonde.influence.shipped.recipe import BYTES, make
from sonde.influence.small_world import read_by
from sonde.influence.step import gradient_lengths
from sonde.results import InputError, LoadError


@pytest.mark.parametrize("name", ["words", "words-small", "words-small-b"])
def test_it_belongs_to_the_specimen(name):
    found, model = shipped(name), sonde.load(f"specimen:{name}")
    assert found.recipe.model_hash == model.hash
    assert sum(file.stat().st_size for file in (WEIGHTS / name).iterdir()) < BYTES
    known = {tuple(row) for row in read_by(name, 400, 0, ("A", "C"))[0]}
    # the sample of 400 documents begins with the same batches as that of 2,000
    assert sum(tuple(row) in known for row in found.rows) > 0.1 * len(found.rows)
    assert (found.tau.float().norm(dim=1) <= 1.001).all() and sum(found.drawn) == 64
    torch.testing.assert_close(found.lengths[:3], gradient_lengths(model, found.rows[:3]), rtol=1e-3, atol=1e-3)
    own = [found.families[i] == found.kinds[q] for q in found.questions("agreement") for i, _ in found.helpful(q)]
    random = [family == "agreement" for family, drawn in zip(found.families, found.drawn, strict=True) if drawn]
    assert sum(own) / len(own) > 0.9 > 0.3 > sum(random) / len(random)
    assert set(found.candidates("agreement")) >= {i for i, _ in found.helpful(0)}


def test_it_is_made_again(tmp_path, monkeypatch):
    model = sonde.load("specimen:words-small")
    made = make(model, "words-small", tmp_path, documents=24, each=1)
    assert len(made.rows) == 24 and made.tau.shape == (len(made.kinds), 24) and made.drawing().kind == "matrix"
    assert ShippedInfluence.load(tmp_path / "words-small" / "shipped").to_frame().equals(made.to_frame())
    assert made.helpful(0)[0][1] == pytest.approx(float(made.tau[0].max()))
    monkeypatch.setattr(sys.modules[make.__module__], "BYTES", 10)
    with pytest.raises(InputError, match="10 are allowed"):  # with the curvature that was kept
        make(model, "words-small", tmp_path, documents=24, each=1)


def test_what_is_not_there():
    with pytest.raises(LoadError, match="no influence is shipped"):
        shipped("digits")
    with pytest.raises(InputError, match="no question of the kind"):
        shipped("words").questions("poems")
