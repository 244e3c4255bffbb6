"""Mediation: on a linear-Gaussian network the effects are known in closed form, with and without interaction."""

import math

import pytest
import torch
from small_models import llama, words
from torch import nn

import sonde
from sonde.bases import Subspace
from sonde.patching import Mediation, head_sites, mediation
from sonde.results import InputError
from sonde.tasks import Ablation, Task

A, B, C = 1.5, -2.0, 0.7
MEDIATOR = "mediator:out"


class Linear(nn.Module):
    """M = a x + e and Y = c x + b M + d x M, of inputs (x, e)."""

    def __init__(self, d):
        super().__init__()
        self.d = d
        self.mediator = nn.Linear(2, 1, bias=False)
        self.mediator.weight.data = torch.tensor([[A, 1.0]])

    def forward(self, inputs):
        x, m = inputs[:, :1], self.mediator(inputs)
        return C * x + B * m + self.d * x * m


def gaussian(n=400, seed=0):
    """A change of x from 0.5 to 2 with the same noise, as a task whose metric is Y."""
    noise = torch.randn(n, generator=torch.Generator().manual_seed(seed))
    clean, corrupt = (torch.stack([torch.full((n,), x), noise], 1) for x in (0.5, 2.0))
    empty = ((0,),) * n
    return Task("gaussian", clean, corrupt, empty, empty, lambda run: run.logits[:, 0], ("",) * n, ("",) * n), noise


@pytest.mark.parametrize("d", [0.0, 0.8])
def test_the_closed_form(d):
    model, (task, noise) = sonde.Model(Linear(d)), gaussian()
    found = mediation(model, task, MEDIATOR, held=Ablation("mean"))
    x, step = 0.5, 1.5
    m, held = A * x + noise, A * 2.0 + noise.mean()
    closed = {
        "total": C * step + B * A * step + d * (2.0 * (A * 2.0 + noise) - x * m),
        "direct": step * (C + d * m),
        "indirect": A * step * (B + d * x),
        "controlled": step * (C + d * held),
        "interaction": d * A * step**2,
    }
    effects = found.effects()
    for name, expected in closed.items():
        assert torch.allclose(effects[name][0], torch.as_tensor(expected).expand(400), atol=1e-5), name
    # over the population, whose noise has mean zero
    direct = effects["direct"][0]
    assert abs(float(direct.mean()) - step * (C + d * A * x)) < 3 * max(float(direct.std()) / math.sqrt(400), 1e-6)
    assert bool((effects["interaction"].abs() > 1e-4).all()) == (d != 0)


@pytest.mark.parametrize("d", [0.0, 0.8])
def test_the_identity_of_both_directions(d):
    model, (task, _) = sonde.Model(Linear(d)), gaussian(50)
    found = mediation(model, task, MEDIATOR, held=Ablation("zero"))
    forward, backward = found.effects(), found.effects(backwards=True)
    assert torch.allclose(forward["total"], forward["direct"] - backward["indirect"], atol=1e-6)
    assert torch.allclose(forward["total"], -backward["total"])
    assert torch.allclose(forward["controlled"], torch.full((1, 50), C * 1.5), atol=1e-6)  # at M = 0 nothing interacts


@pytest.mark.parametrize("make", [words, llama])
def test_the_whole_stream_carries_all_and_nothing_goes_around_it(make):
    model = make()
    text = "The keys on the cabinet" if make is words else "When Lily and Tom went to the park, Tom gave a ball to"
    pair = sonde.tasks.counterfactuals(text, model).best.pair
    task = sonde.tasks.siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=6)
    found = mediation(model, task, ["blocks.1.resid_post", ["blocks.0.mlp.out", "blocks.0.attn.out"], "blocks.2.mlp.out[pos=-1]"])
    effects = found.effects()
    assert torch.allclose(effects["direct"][0], torch.zeros(6), atol=1e-4) and torch.allclose(effects["indirect"][0], effects["total"][0], atol=1e-4)
    assert torch.allclose(effects["controlled"][0], torch.zeros(6), atol=1e-4)
    # natural effects by their definition
    run = model.run(task.corrupt, read="blocks.2.mlp.out")
    moved = task.metric(model.run(task.clean, edits=[sonde.Patch("blocks.2.mlp.out[pos=-1]", run)])) - found.clean
    assert torch.allclose(effects["indirect"][2], moved, atol=1e-4)


def test_coordinates_are_mediators():
    model = words().attach("blocks.2.resid_pre", Subspace.random(words().d_model, words().d_model, seed=0), "turned")
    task = sonde.tasks.load("agreement", model, n=5)
    turned, plain = mediation(model, task, ["blocks.2.resid_pre.turned", "blocks.2.resid_pre"]).effects()["indirect"]
    assert torch.allclose(turned, plain, atol=1e-3)


def test_equal_prompts_have_no_effects():
    model, (task, _) = sonde.Model(Linear(0.8)), gaussian(5)
    same = Task(**{**vars(task), "corrupt": task.clean})
    assert all(not effect.any() for effect in mediation(model, same, MEDIATOR, held=Ablation("zero")).effects().values())


def test_selectivity_and_verdicts():
    model = words()
    task, unrelated = (sonde.tasks.load(name, model, n=12, seed=1).with_metric("logit_difference") for name in ("agreement", "ioi"))
    site, others = "blocks.3.resid_pre[pos=-1]", [str(site) for site in head_sites(model)[:4]]
    found, apart = (mediation(model, one, [site, others[0]]) for one in (task, unrelated))
    selectivity = found.selectivity(apart)
    expected = [float(a.mean().abs() - b.mean().abs()) for a, b in zip(found.effects()["indirect"], apart.effects()["indirect"], strict=True)]
    assert [one.value for one in selectivity] == pytest.approx(expected, abs=1e-5)
    assert all(one.low < one.value < one.high for one in selectivity)
    # a place beside itself is not selective
    assert all(one.low < 0 < one.high for one in found.selectivity(found))
    fresh = sonde.tasks.load("agreement", model, n=12, seed=7).with_metric("logit_difference")
    whole, idle, *apart = found.check(model, fresh, others[1:], unrelated)
    assert whole.holds and whole.measured > 0.9 and not idle.holds and len(apart) == 2


def test_without_a_total_effect_nothing_can_be_claimed():
    model = words()
    task = sonde.tasks.load("agreement", model, n=8)
    same = Task(**{**vars(task), "corrupt": task.clean})
    (verdict,) = mediation(model, task, ["embed"]).check(model, same, ["blocks.0.mlp.out", "blocks.1.mlp.out"])
    assert verdict.holds is None and "not surely different from zero" in verdict.reason


def test_tables_drawings_and_files(tmp_path):
    model = words()
    task = sonde.tasks.load("agreement", model, n=6)
    several = mediation(model, task, ["blocks.1.mlp.out", "blocks.2.mlp.out"])
    assert several.to_frame().height == 2 * 2 * 5 and several.to_frame()["held at"][0] == "mean over all tokens of 6 partners"
    assert "the total is" in several.drawing().note and len(several.drawing().data["values"]) == 2
    single = mediation(model, task.select([0]), "blocks.1.mlp.out")
    assert sorted(single.drawing().data["labels"]) == sorted(["total", "direct", "indirect", "controlled", "interaction"])
    back = Mediation.load(several.save(tmp_path / "mediation"))
    assert torch.equal(back.effects()["indirect"], several.effects()["indirect"])


@pytest.mark.parametrize("held", [Ablation(), Ablation("resample"), Ablation("mean", over="template"), Ablation("optimal")], ids=str)
def test_a_mediator_is_held_at_a_constant(held):
    with pytest.raises(InputError, match="is no constant: hold a mediator at"):
        mediation(words(), sonde.tasks.load("agreement", words(), n=2), "embed", held=held)


def test_refusals():
    model = words()
    task = sonde.tasks.load("agreement", model, n=4)
    with pytest.raises(InputError, match="nothing to patch"):
        mediation(model, task, [])
    found = mediation(model, task, ["blocks.1.mlp.out"])
    with pytest.raises(InputError, match="give the same"):
        found.selectivity(mediation(model, task, ["blocks.2.mlp.out"]))
    with pytest.raises(InputError, match=r"can't be compared: use task\.with_metric"):
        found.selectivity(mediation(model, task.with_metric("log_probability"), ["blocks.1.mlp.out"]))
