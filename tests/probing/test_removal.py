"""Removal: what probes tell before and after, on a model whose tokens carry known properties."""

import pytest
import torch
from planted_uses import labelled, planted_uses

import sonde
from sonde.probing import Labelled, Removal, remove
from sonde.results import InputError


@pytest.fixture(scope="module")
def found():
    model, attributes = planted_uses(2)
    return remove(model, labelled(attributes, "used"), ["embed", "blocks.1.resid_post"], main=labelled(attributes, "unused"), draws=4)


def test_a_linear_probe_finds_nothing_afterwards(found):
    majority = float(found.majority.mean())
    assert (found.linear[:, 0].mean(-1) > 0.9).all()
    assert torch.allclose(found.linear[:, 1].mean(-1), torch.tensor(majority))  # such a probe says the commonest class of everything
    assert (found.train[:, 1] < 0.6).all() and (found.residual < 1e-6 * found.before).all()
    assert (found.main.mean(-1) > 0.9).all()  # the other property is there as before
    assert (found.random.mean(-1) > 0.85).all() and found.rank.tolist() == [1, 1]
    assert (found.change < found.variance).all() and torch.allclose(found.random_change[:, 1], found.change, rtol=1e-4)


def test_its_claims_hold_and_a_removal_of_nothing_has_none(found):
    model, attributes = planted_uses(2)
    assert [verdict.holds for verdict in found.check(model)] == [True] * 4
    nothing = remove(model, labelled(attributes, "absent"), "embed", draws=2)
    assert not any(verdict.holds for verdict in nothing.verdicts)


def test_kept_drawn_and_listed(found, tmp_path):
    again = sonde.results.Result.load(found.save(tmp_path / "removal"))
    assert isinstance(again, Removal) and again.to_frame().equals(found.to_frame())
    drawing = found.drawing()
    assert len(drawing.data["rows"]) == 2 * 4 and drawing.data["columns"][5] == "unused"
    assert "Only what is linear is taken out" in drawing.note


def test_mean_projection_changes_more():
    model, attributes = planted_uses(2)
    leace, mean = (remove(model, labelled(attributes, "used"), "embed", kind, draws=2) for kind in ("leace", "mean"))
    assert leace.change[0] <= mean.change[0] + 1e-6 and mean.linear[0, 1].mean() == leace.linear[0, 1].mean()


def test_mistakes():
    model, attributes = planted_uses(2)
    data = labelled(attributes, "used")
    with pytest.raises(InputError, match="bin them, or fit an eraser"):
        remove(model, Labelled.of([[1], [2], [3]], [1.5, 2.5, 1.0]), "embed")
    with pytest.raises(InputError, match="says nothing of 100 of the 200 examples"):
        remove(model, data, "embed", main=labelled(attributes, "unused", n=100))
    with pytest.raises(InputError, match="one class only"):
        remove(model, Labelled.of([[1], [2]], ["a", "a"]), "embed")
