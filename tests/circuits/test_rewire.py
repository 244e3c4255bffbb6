"""Ablations of whole tasks: what is carried is what each kind says, and no number depends on how the task is divided."""

import pytest
import torch
from circuits.examples import of_one_length, words
from tiny_families import build
from tiny_models import VOCAB

import sonde
from sonde.access import Graph
from sonde.access.edges import outputs
from sonde.circuits import rewire
from sonde.results import InputError
from sonde.tasks import Ablation, LogitDifference, Task

KINDS = [Ablation(), Ablation("zero"), Ablation("mean"), Ablation("mean", over="all"), Ablation("resample", seed=3)]


@pytest.mark.parametrize("ablation", [*KINDS, Ablation("mean", over="template", groups=(0, 1) * 3)], ids=str)
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_carried_values_are_the_ablations_own(family, ablation):
    model = sonde.load(build(family))
    graph, task = Graph.of(model), tiny(model)
    partners = outputs(model, graph, task.corrupt).values.transpose(0, 1)
    real = torch.ones(partners.shape[0], partners.shape[2], dtype=torch.bool)
    # an ablation takes examples and positions first
    expected = ablation.of(partners.transpose(1, 2), real).transpose(1, 2).transpose(0, 1)
    masks = torch.rand(3, *graph.real.shape, generator=torch.Generator().manual_seed(0)) < 0.6
    whole = rewire(model, graph, task, ablation)
    torch.testing.assert_close(next(whole.chunks())[1].carried, expected)
    parts = rewire(model, graph, task, ablation, batch_size=4)
    assert [len(rows) for rows, _ in parts.chunks()] == [4, 2]
    torch.testing.assert_close(parts.values(masks), whole.values(masks), rtol=1e-4, atol=1e-5)
    some = graph.real & (torch.arange(graph.real.shape[1]) % 9 == 8)[None]
    torch.testing.assert_close(parts.effects(some), whole.effects(some), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(parts.base, whole.base)


def tiny(model: sonde.Model, n: int = 6) -> Task:
    """Random prompts and partners of one length."""
    generator = torch.Generator().manual_seed(0)
    clean, corrupt = (tuple(map(tuple, torch.randint(1, VOCAB, (n, 5), generator=generator).tolist())) for _ in range(2))
    answers, wrongs = [3] * n, [5] * n
    return Task("tiny", clean, corrupt, ((3,),) * n, ((5,),) * n, LogitDifference(answers, wrongs), ("",) * n, ("",) * n)


def test_examples_of_several_lengths():
    """What needs no positions that correspond works, and equals each length by itself; the rest is refused before anything runs."""
    model, graph, _ = words()
    task = sonde.tasks.load("agreement", model, n=5, seed=1)
    assert task.length is None
    masks = torch.rand(2, *graph.real.shape, generator=torch.Generator().manual_seed(0)) < 0.8
    together = rewire(model, graph, task).values(masks)
    alone = torch.cat([rewire(model, graph, task.select([i])).values(masks) for i in range(len(task))], 1)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    whole, parts = (rewire(model, graph, task, Ablation("mean", over="all"), batch_size=size) for size in ("auto", 3))
    torch.testing.assert_close(whole.values(masks), parts.values(masks), rtol=1e-4, atol=1e-4)  # of pieces that are padded differently
    for kind in ("mean", "resample"):
        with pytest.raises(InputError, match="positions do not correspond"):
            rewire(model, graph, task, Ablation(kind))


def test_partners_of_another_task():
    model, graph, task = words()
    larger = of_one_length(sonde.tasks.load("agreement", model, n=96, seed=7))
    larger = larger if larger.length == task.length else task.select(range(len(task) - 1))
    mine, theirs = rewire(model, graph, task, Ablation("mean")), rewire(model, graph, task, Ablation("mean"), partners=larger)
    expected = outputs(model, graph, larger.corrupt).values.mean(1)
    torch.testing.assert_close(next(theirs.chunks())[1].carried[:, 0], expected, rtol=1e-4, atol=1e-5)
    assert (next(mine.chunks())[1].carried[:, 0] - expected).abs().max() > 1e-3
    assert theirs.conditions.n_partners == len(larger) and f"mean over {len(larger)} partners" in str(theirs.conditions)
    with pytest.raises(InputError, match="is not one mean for all examples"):
        rewire(model, graph, task, Ablation("zero"), partners=larger)


def test_constants_and_bad_input():
    model, graph, task = words()
    few = task.select(range(4))
    constants = torch.zeros(len(graph.sources), 1, 1, model.d_model)
    masks = (~graph.real)[None]
    optimal = rewire(model, graph, few, Ablation("optimal"), constants=constants)
    torch.testing.assert_close(optimal.values(masks), rewire(model, graph, few, Ablation("zero")).values(masks))
    with pytest.raises(InputError, match="have to be learnt and given as constants="):
        rewire(model, graph, few, Ablation("optimal"))
    with pytest.raises(InputError, match="leave them out"):
        rewire(model, graph, few, constants=constants)
    with pytest.raises(InputError, match="has no examples"):
        rewire(model, graph, task.select([]))
    with pytest.raises(InputError, match="batch_size=0"):
        rewire(model, graph, few, batch_size=0)
    with pytest.raises(InputError, match="at least two"):
        rewire(model, graph, task.select([0]), Ablation("resample"))


def test_conditions_say_what_was_done():
    model, graph, task = words()
    conditions = rewire(model, graph, task).conditions
    assert conditions.n == len(task) and conditions.seen(conditions.examples[:3]) == 3 and conditions.sign == 1
    search, rest = task.split()
    assert rewire(model, graph, search).conditions.seen(rewire(model, graph, rest).conditions.examples) == 0
    assert rewire(model, graph, task.with_metric("cross_entropy")).conditions.sign == -1
    assert "each example's own partner" in str(conditions) and "all positions together" in str(conditions)
