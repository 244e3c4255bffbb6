"""The plain definition of an edge's effect, held against the handle: where all edges of a node are ablated, the node is."""

import pytest
import torch

import sonde
from sonde.nn import Transformer, TransformerConfig
from sonde.results import InputError
from sonde.specimens.compiled import KINDS, Ablation, Head, edges, receivers
from sonde.tasks import Task

SHAPES = {
    "norms and biases": TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_vocab=20, n_ctx=8, d_mlp=24),
    "rms, no positions": TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_vocab=20, n_ctx=8, d_mlp=24, norm="rms", positional=None, bias=False),
    "attention only": TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_vocab=20, n_ctx=8, d_mlp=0, norm=None),
}


def network(shape):
    torch.manual_seed(0)
    model = Transformer(SHAPES[shape]).double().eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.4)
    return model


def random_task(model, n=5, length=6):
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(model.config.d_vocab, (2, n, length), generator=generator).tolist()
    right, wrong = torch.randint(model.config.d_vocab, (2, n), generator=generator)
    metric = sonde.tasks.LogitDifference(right, wrong)
    rows = lambda r: tuple(map(tuple, r))
    one_each = lambda ids: tuple((i,) for i in ids.tolist())
    return Task("random", rows(ids[0]), rows(ids[1]), one_each(right), one_each(wrong), metric, ("",) * n, ("",) * n)


@pytest.fixture(params=SHAPES)
def network_and_task(request):
    model = network(request.param)
    return model, random_task(model)


def test_ablating_nothing_is_the_plain_forward(network_and_task):
    model, task = network_and_task
    handle = sonde.load(model)
    assert torch.allclose(Ablation(model, task, "zero").metric(), task.metric(handle.run(task.clean)), atol=1e-12)


def test_ablating_all_edges_from_a_sender_is_ablating_the_sender(network_and_task):
    model, task = network_and_task
    handle = sonde.load(model)
    senders = receivers(model.config)["logits"]
    partners = handle.run(task.corrupt, read=senders)
    for sender in senders:
        out = [edge for edge in edges(model.config) if edge[0] == sender]
        mean = partners[sender].mean(0, keepdim=True).expand_as(partners[sender])
        for kind, edit in (("zero", sonde.Zero(sender)), ("counterfactual", sonde.Patch(sender, partners)), ("mean", sonde.Set(sender, mean))):
            expected = task.metric(handle.run(task.clean, edits=[edit]))
            assert torch.allclose(Ablation(model, task, kind).metric(out), expected, atol=1e-10), (sender, kind)


def test_ablating_all_edges_into_a_receiver_is_patching_what_it_computes(network_and_task):
    model, task = network_and_task
    handle = sonde.load(model)
    ablation = Ablation(model, task, "counterfactual")
    heads = [Head(layer, head) for layer in range(model.config.n_layers) for head in range(model.config.n_heads)]
    for site in [site for head in heads for site in (head.q, head.k, head.v)]:
        into = [edge for edge in edges(model.config) if edge[1] == site]
        partners = handle.run(task.corrupt, read=[site])
        expected = task.metric(handle.run(task.clean, edits=[sonde.Patch(site, partners)]))
        assert torch.allclose(ablation.metric(into), expected, atol=1e-10), site


def test_all_edges_together_give_the_partners(network_and_task):
    model, task = network_and_task
    partners = task.metric(sonde.load(model).run(task.corrupt))
    assert torch.allclose(Ablation(model, task, "counterfactual").metric(edges(model.config)), partners, atol=1e-10)


def test_one_edge_is_less_than_its_sender(network_and_task):
    """The control: a single edge of a random network is neither nothing nor the whole node."""
    model, task = network_and_task
    ablation = Ablation(model, task, "counterfactual")
    sender = Head(0, 0).z
    out = [edge for edge in edges(model.config) if edge[0] == sender]
    effects = ablation.effects(out)
    whole = ablation.metric(out) - ablation.metric()
    assert all((effect.abs().max() > 1e-6) and not torch.allclose(effect, whole) for effect in effects.values())


@pytest.mark.parametrize("kind", KINDS)
def test_the_amount_leads_from_the_clean_run_to_the_ablated_one(kind):
    model = network("norms and biases")
    ablation = Ablation(model, random_task(model), kind)
    edge = [(Head(0, 1).z, "logits")]
    assert torch.equal(ablation.metric(edge, 0.0), ablation.metric())
    half, whole = ablation.metric(edge, 0.5), ablation.metric(edge)
    assert bool((half != whole).all())
    # the derivative at 0 is the slope there
    amount = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(ablation.metric(edge, amount).sum(), amount)
    step = 1e-6
    assert slope.item() == pytest.approx(((ablation.metric(edge, step) - ablation.metric()).sum() / step).item(), rel=1e-4)


def test_resampling_never_takes_the_examples_own_partner():
    model = network("norms and biases")
    task = random_task(model)
    own = Ablation(model, task, "counterfactual").reference["embed"]
    for seed in range(20):
        others = Ablation(model, task, "resample", seed).reference["embed"]
        taken = [next(j for j in range(len(task)) if torch.equal(own[j], row)) for row in others]
        assert sorted(taken) == list(range(len(task))) and all(i != j for i, j in enumerate(taken))


@pytest.mark.parametrize("other", [{"positional": "rotary"}, {"n_kv_heads": 1}])
def test_networks_that_it_would_recompute_wrongly_are_refused(network_and_task, other):
    _, task = network_and_task
    model = Transformer(TransformerConfig(n_layers=1, d_model=8, n_heads=2, d_vocab=50, n_ctx=16, d_mlp=8, **other))
    with pytest.raises(InputError, match=r"neither rotary positions nor grouped keys: use model\.sweep"):
        Ablation(model, task, "zero")


def test_other_modules_and_kinds_are_refused_by_name(network_and_task):
    model, task = network_and_task
    with pytest.raises(InputError, match=r"Linear is no network of sonde\.nn"):
        Ablation(torch.nn.Linear(2, 2), task, "zero")
    with pytest.raises(InputError, match="kind='zeros': choose one of"):
        Ablation(model, task, "zeros")
