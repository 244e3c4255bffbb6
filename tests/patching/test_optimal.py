"""The optimal constant: least squares where the model is linear, and never worse than the mean and zero where it was searched."""

from dataclasses import dataclass, replace

import pytest
import torch
from small_models import llama, words
from torch import Tensor

import sonde
from sonde.nn import Transformer, TransformerConfig
from sonde.patching import OptimalConstant, optimal_constant
from sonde.results import InputError
from sonde.tasks import LogitDifference, Task

SITE = "blocks.1.attn.out[pos=-1]"


@dataclass(frozen=True)
class Squares:
    """The squared distance of some logits from given ones: a loss that is quadratic in what a linear model adds to its logits."""

    wanted: Tensor
    pos: int = -1
    better: str = "less"
    unit: str = "squares"

    def select(self, examples):
        return replace(self, wanted=self.wanted[list(examples)])

    def __call__(self, run):
        return (run.logits_at(self.pos) - self.wanted).square().sum(-1)


@pytest.fixture(scope="module")
def linear():
    """A network whose logits are linear in what its last block adds: no norm, and no MLP behind."""
    torch.manual_seed(0)
    model = Transformer(TransformerConfig(n_layers=2, d_model=6, n_heads=2, d_vocab=12, n_ctx=8, d_mlp=0, norm=None)).double().eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    rows = lambda n: tuple(map(tuple, torch.randint(12, (n, 5)).tolist()))
    one_each = lambda n: tuple((i % 12,) for i in range(n))
    texts = tuple(f"w{i}" for i in range(20))
    task = Task("linear", rows(20), rows(20), one_each(20), one_each(20), LogitDifference([0], [1]), texts, texts)
    return sonde.Model(model), task, torch.randn(20, 12, dtype=torch.float64)


def test_the_closed_form_on_a_linear_model(linear):
    """Of logits W (r_i + a) + b against wanted ones y_i the least squares are at a = W^+ mean(y_i - W r_i - b)."""
    model, task, wanted = linear
    found = optimal_constant(model, task, SITE, loss=Squares(wanted), steps=250)
    search, _ = task.with_metric(Squares(wanted)).split(0)
    without = model.run(search.clean, edits=[sonde.Zero(SITE)]).last_logits
    W = model.module.unembed.weight.detach()
    closed = torch.linalg.pinv(W) @ (search.metric.wanted - without).mean(0)
    assert torch.allclose(found.constant[0], closed, atol=1e-3)
    assert found.converged and found.search[0].mean() < min(found.search[1].mean(), found.search[2].mean()) - 0.1
    least = (without + W @ closed - search.metric.wanted).square().sum(-1).mean()
    assert float(found.search[0].mean()) == pytest.approx(float(least), rel=1e-5)


@pytest.mark.parametrize(
    ("site", "over"), [("blocks.1.mlp.out", "position"), ("blocks.0.attn.z[head=1]", "all"), ("blocks.2.mlp.out[pos=-1]", "position")]
)
def test_it_is_never_worse_than_mean_and_zero_where_it_was_searched(site, over):
    model = words()
    task = sonde.tasks.load("ioi", model, n=16, seed=2)
    lengths = [len(row) for row in task.clean]
    task = task.select([i for i, n in enumerate(lengths) if n == max(set(lengths), key=lengths.count)])
    for steps, lr in ((3, 0.1), (1, 100.0)):  # also where a step is far too long
        found = optimal_constant(model, task, site, over=over, steps=steps, lr=lr)
        assert float(found.search[0].mean()) <= float(found.search[1:].mean(1).min()) + 1e-6
    run = model.run(task.corrupt, read=site)
    assert found.constant.shape[1:] == (run[site].shape[1:] if over == "position" or "pos" in site else (1, *run[site].shape[2:]))


def test_it_costs_less_on_other_prompts_and_the_weights_stay():
    model = words()
    before = model.hash
    task = sonde.tasks.load("agreement", model, n=32)
    found = optimal_constant(model, task, "blocks.1.mlp.out", steps=12)
    assert model.hash == before and found.search.shape[1] + found.held_out.shape[1] == 32
    assert float(found.costs[0]) < float(found.costs[1:].min())
    plain = sonde.tasks.KL(model.run(task.clean, logits="last").last_logits)(model.run(task.clean, edits=[found.edit]))
    assert float(plain.mean()) == pytest.approx(float(torch.cat([found.search[0], found.held_out[0]]).mean()), abs=1e-4)
    assert torch.allclose(found.intact, torch.zeros_like(found.intact), atol=1e-5)
    assert [verdict.n for verdict in found.check(model)] == [found.held_out.shape[1]] * 2


def test_ragged_prompts_and_grouped_keys():
    model = llama()
    pair = sonde.tasks.counterfactuals("When Lily and Tom went to the park, Tom gave a ball to", model).best.pair
    task = sonde.tasks.siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=8)
    assert optimal_constant(model, task, "blocks.0.attn.v[kv_head=1]", steps=2).constant.isfinite().all()
    ragged = sonde.tasks.load("agreement", words(), n=16)
    assert ragged.length is None
    with pytest.raises(InputError, match="so their positions do not correspond: use over='all'"):
        optimal_constant(words(), ragged, "blocks.0.mlp.out", over="position", steps=1)


def test_a_search_cut_short_is_told(tmp_path):
    model = words()
    task = sonde.tasks.load("agreement", model, n=12)
    short, again, long = (optimal_constant(model, task, "blocks.2.mlp.out", steps=steps, lr=0.02) for steps in (2, 2, 20))
    assert torch.equal(short.constant, again.constant)
    assert not short.converged and "has not settled: give more steps" in short.drawing().note
    assert long.search[0].mean() < short.search[0].mean() and len(long.curve) == 22
    assert long.to_frame().height == 3 * 12
    back = OptimalConstant.load(long.save(tmp_path / "constant"))
    assert torch.equal(back.constant, long.constant) and back.converged == long.converged


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": LogitDifference([0], [1])}, "is better when larger"),
        ({"over": "template"}, "over='template': a constant is the same for all examples"),
        ({"steps": 0}, "steps=0"),
        ({"lr": 0.0}, r"lr=0\.0"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(InputError, match=message):
        optimal_constant(words(), sonde.tasks.load("agreement", words(), n=4), "blocks.0.mlp.out", **options)


def test_a_single_prompt_cannot_be_divided():
    with pytest.raises(InputError, match="can't be divided into some to search on"):
        optimal_constant(words(), sonde.tasks.load("agreement", words(), n=4).select([0]), "blocks.0.mlp.out")
