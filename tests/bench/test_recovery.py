"""The planted dictionary that trainers are compared on is known to none of them, and the same for all."""

import pytest
import torch

from bench.recovery import TUNING_SEED, best, chance
from bench.subjects.recovering import FEATURES, WIDTH, World, sonde
from sonde.dictionaries.evaluation.recovery import recovery


def test_the_stream_is_the_same_for_every_trainer_and_another_for_every_seed():
    assert torch.equal(World(3).batch(5), World(3).batch(5)) and not torch.equal(World(3).batch(5), World(4).batch(5))
    assert torch.equal(World(3).directions, World(4).directions)
    assert float(World(0).often.sum()) == pytest.approx(8.76, abs=0.01)


@pytest.mark.parametrize("seed", [0, 1, 100])
def test_no_start_holds_the_truth(seed):
    """With one seed for both, `randn` of the same shape is the truth."""
    update, directions, _ = sonde(seed, 1e-3)
    update(0, World(seed).batch(64))
    assert recovery(World(seed).directions, directions()).mmcs == pytest.approx(chance(), abs=0.01)
    handed = torch.nn.functional.normalize(torch.randn(FEATURES, WIDTH, generator=torch.Generator().manual_seed(987_654_321)), dim=1)
    assert recovery(World(seed).directions, handed).mmcs > 0.99  # what such a start would score


def test_a_rate_is_chosen_on_the_tuning_seed_alone():
    rows = [
        {"subject": "a", "seed": TUNING_SEED, "rate": 0.1, "mmcs": 0.5},
        {"subject": "a", "seed": TUNING_SEED, "rate": 0.2, "mmcs": 0.6},
        {"subject": "a", "seed": 100, "rate": 0.1, "mmcs": 0.9},
        {"subject": "b", "seed": TUNING_SEED, "rate": 0.1, "mmcs": 0.8},
    ]
    assert best(rows, "a") == 0.2
