"""What random sets of unverified nodes tell: the true effects where effects add up, a head that an estimate missed, and nothing where nothing is."""

from dataclasses import replace

import pytest
import torch

import sonde
from sonde.circuits import atp, exact_nodes, missed
from sonde.results import InputError
from sonde.specimens import compiled


@pytest.fixture(scope="module")
def world():
    """A head that copies the answer and one that writes a part of it away: their effects add up; all other weights are noise."""
    made = compiled.build("negative_head")
    model, task = sonde.load(made.model, made.tokenizer), made.examples(6)
    return made, model, task, exact_nodes(model, task, ["attn.z"])


def test_intervals_hold_the_true_effects_and_name_what_was_missed(world):
    made, model, task, truth = world
    mover, against = made.heads["mover"].z, made.heads["negative"].z
    wrong = replace(truth, values=torch.tensor([0.0 if name in (mover, against) else 1.0 for name in truth.nodes]))
    found = missed(model, task, wrong, verified=1, sets=60)
    assert set(found.suspects) >= {mover, against} and found.suspects[0] == mover
    for name, (low, high) in zip(found.nodes, found.interval.tolist(), strict=True):
        assert low <= truth.values[truth.nodes.index(name)] <= high
    assert found.bound >= truth.values.abs().max()
    assert found.to_frame()["node"][0] == mover and found.drawing().data


def test_where_all_that_matters_was_verified_the_bound_is_small(world):
    _, model, task, truth = world
    found = missed(model, task, truth, verified=2, sets=60)
    assert not found.suspects and found.bound < 0.01 * truth.values.abs().max()


def test_what_tells_nothing_is_refused(world):
    _, model, task, truth = world
    for arguments, said in (
        ({"verified": len(truth.nodes)}, "at least one must be left to test"), ({"verified": 0, "sets": 3}, "sets=3: fewer than 8"),
        ({"verified": 0, "share": 1.0}, "give numbers between 0 and 1"), ({"verified": 0, "share": 0.01}, "nearly all or nearly none"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            missed(model, task, truth, **arguments)
    with pytest.raises(InputError, match="single positions"):
        missed(model, task, atp(model, task, ["attn.z"], positions="each"), verified=0)
