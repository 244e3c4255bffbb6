"""The online code: its sum by hand, true labels shorter than type-level random ones, those shorter than random ones; portions of whole sentences."""

import math
from pathlib import Path

import pytest
import torch

from sonde.probing import DescriptionLength, Logistic, States, description_length_of
from sonde.probing.description_length import PORTIONS, online_code, sent
from sonde.results import InputError, Result


def words(n: int = 3000, n_types: int = 120, d: int = 40, seed: int = 91) -> States:
    """Vectors of word types; the class is a linear function of them."""
    draw = torch.Generator().manual_seed(seed)
    vectors = torch.randn(n_types, d, generator=draw)
    of = torch.randint(n_types, (n,), generator=draw)
    y = (vectors @ torch.randn(d, 4, generator=draw)).argmax(1)[of]
    return States.of(vectors[of] + 0.1 * torch.randn(n, d, generator=draw), y.tolist(), types=[f"word {int(i)}" for i in of])


@pytest.fixture(scope="module")
def found() -> DescriptionLength:
    return description_length_of(words(), Logistic(Cs=(0.1, 1.0, 10.0)), seeds=4, seed=3)


def test_true_labels_are_shorter_than_remembered_ones_and_those_than_noise(found: DescriptionLength) -> None:
    compression = {name: found.uniform * found.bits.shape[1] / draws.double().sum((1, 2)) for name, draws in found.controls.items()}
    assert float(found.compression) > 5
    assert (compression["control task"] > 1.05).all() and (compression["control task"] < 0.5 * found.compression).all()
    assert (compression["shuffled labels"] < 1.02).all()
    assert [verdict.holds for verdict in found.check()] == [True, True]


def test_who_knows_the_answer_pays_for_the_first_portion() -> None:
    """With one entry per class as activations, what remains is t_1 log2 K, and little more."""
    draw = torch.Generator().manual_seed(5)
    y = torch.randint(4, (2000,), generator=draw)
    order, ends = sent(torch.arange(2000), PORTIONS, seed=0)
    cost = online_code(20 * torch.nn.functional.one_hot(y, 4).float(), y, order, ends, 4, Logistic(Cs=(1e4,)))
    assert float(cost[order[: ends[0]]].sum()) == ends[0] * 2
    assert float(cost.sum()) < 0.02 * 2000 * 2


def test_noise_costs_the_even_code() -> None:
    draw = torch.Generator().manual_seed(6)
    x, y = torch.randn(1500, 5, generator=draw), torch.randint(2, (1500,), generator=draw)
    order, ends = sent(torch.arange(1500), PORTIONS, seed=0)
    assert float(online_code(x, y, order, ends, 2).mean()) == pytest.approx(1.0, abs=0.06)


def test_a_class_that_comes_late_costs_much_but_not_everything() -> None:
    y = torch.tensor([0, 1] * 200 + [2] * 20)
    x = torch.nn.functional.one_hot(y, 3).float()
    cost = online_code(x, y, torch.arange(420), [50, 400, 420], 3, Logistic(Cs=(1.0,)))
    assert cost.isfinite().all()
    # with 350 to 360 learnt from, one made-up example of any class: log2 3 (n + 1)
    assert (cost[-20:] > math.log2(3 * 300)).all() and (cost[-20:] < math.log2(3 * 500)).all()


def test_while_only_one_class_was_sent_the_code_is_even() -> None:
    y = torch.tensor([0] * 30 + [1] * 30)
    cost = online_code(torch.randn(60, 3), y, torch.arange(60), [10, 20, 60], 2)
    assert (cost == 1).all()


def test_no_sentence_is_divided_between_portions() -> None:
    groups = torch.arange(100).repeat_interleave(7)[torch.randperm(700, generator=torch.Generator().manual_seed(1))]
    order, ends = sent(groups, (0.1, 0.5, 1.0), seed=2)
    assert sorted(order.tolist()) == list(range(700)) and ends[-1] == 700
    for end in ends[:-1]:
        assert not set(groups[order[:end]].tolist()) & set(groups[order[end:]].tolist())
        assert end % 7 == 0
    assert not torch.equal(order, sent(groups, (0.1, 0.5, 1.0), seed=3)[0])


def test_is_kept_drawn_and_tabled(found: DescriptionLength, tmp_path: Path) -> None:
    again = Result.load(found.save(tmp_path / "kept"))
    assert isinstance(again, DescriptionLength)
    torch.testing.assert_close(again.length, found.length)
    assert found.to_frame().filter(what="labels")["compression"][0] == pytest.approx(float(found.compression))
    assert found.drawing().control["name"] == "control task"


def test_bad_input_is_refused() -> None:
    states = words(n=60)
    with pytest.raises(InputError, match="rise to 1"):
        description_length_of(states, portions=(0.5, 0.2, 1.0))
    with pytest.raises(InputError, match="rise to 1"):
        description_length_of(states, portions=(0.1, 0.5))
    with pytest.raises(InputError, match="no code without a precision"):
        description_length_of(States.of(torch.randn(9, 2), torch.randn(9)))
    with pytest.raises(InputError, match="no probabilities"):
        description_length_of(states, probe="ridge")
