"""The shipped probes: of this model, small, as right on fresh documents as they say, and made again by their recipe."""

import pytest
import torch
from small_models import words as specimen

import sonde
from sonde.evidence import permuted
from sonde.probing import PropertyTable, ShippedProbes, read_states, shipped, words
from sonde.probing.shipped import recipe
from sonde.probing.shipped.stored import WEIGHTS
from sonde.report.represented import represented
from sonde.results import CheckRefused, InputError


@pytest.fixture(scope="module")
def probes():
    return shipped()


def test_they_are_the_models_and_small(probes):
    assert sum(file.stat().st_size for file in (WEIGHTS / "words").iterdir()) < recipe.BYTES
    assert represented(specimen()) is probes and tuple(probes.names) == recipe.PROPERTIES
    broken = sonde.Model(permuted(specimen().module, 0), specimen().tokenizer)
    assert represented(broken) is None
    with pytest.raises(CheckRefused):
        probes.check(broken)


def test_they_are_as_right_on_fresh_documents_as_they_say(probes):
    """On documents that neither the probes nor the figures are of; labels in random order are the control."""
    for name, site in (("the subject", "blocks.2.resid_post"), ("in a document of colored_objects", "embed")):
        states = read_states(specimen(), words(name, 200, seed=17), site)
        i, j = probes.names.index(name), probes.sites.index(site)
        said = probes.reads(site, states[site])[i] > 0.5
        assert float((said == states.y.bool()).float().mean()) == pytest.approx(float(probes.accuracy[i, j]), abs=0.1)
        mixed = states.y[torch.randperm(len(states), generator=torch.Generator().manual_seed(0))]
        assert float((said == mixed.bool()).float().mean()) < 0.65


def test_after_an_eraser_the_property_is_gone_and_after_random_ones_it_is_not(probes):
    name, site = "the subject", "blocks.2.resid_post"
    states = read_states(specimen(), words(name, 200, seed=17), site)
    x, y = states[site], states.y
    eraser, (random, _) = probes.eraser(name, site), probes.random_erasers(name, site, 2)

    def apart(x):
        """How far the classes' means lie apart."""
        return float((x[y == 1].mean(0) - x[y == 0].mean(0)).norm())

    assert apart(eraser(x)) < 0.35 * apart(x) < 0.8 * apart(x) < apart(random(x))
    like = probes.random_erasers(name, site, 2, by="variance")
    assert eraser.rank == random.rank == 1 and like[0].change == pytest.approx(eraser.change, rel=0.15)
    assert torch.equal(like[0].centre, eraser.centre)


def test_the_figures_and_the_drawing(probes):
    frame = probes.to_frame()
    assert len(frame) == len(probes.names) * len(probes.sites) and probes.accuracy.shape == probes.control.shape
    drawn = probes.drawing()
    assert drawn.axes["row"]["labels"] == probes.names and drawn.axes["col"]["labels"][-2:] == ["encoded", "used"]
    for says, sites in zip(probes.conclusions, probes.used_at, strict=True):
        assert (says == "encoded and used") == bool(sites)


def test_the_recipe(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "TEXTS", 8)
    asked = {name: words(name, 60) for name in ("the giver", "a woman's name")}
    made = recipe.make(specimen(), tmp_path, asked, draws=2, seeds=1)
    again = ShippedProbes.load(tmp_path / "words")
    assert torch.equal(again.weight, made.weight) and again.conclusions == PropertyTable.load(tmp_path / "table").conclusions
    monkeypatch.setattr(recipe, "BYTES", 1000)
    with pytest.raises(InputError, match="ask for fewer properties"):
        recipe.make(specimen(), tmp_path, asked)  # from the table that is there


@pytest.mark.parametrize(
    ("asked", "says"), [(("the weather", "embed"), "no probe of 'the weather'"), (("the giver", "logits"), "no probe is shipped for 'logits'")]
)
def test_mistakes(probes, asked, says):
    with pytest.raises(InputError, match=says):
        probes.eraser(*asked)
