"""What is asked about may be any metric, a head, a neuron or a feature; and groups are left out together."""

import pytest
import torch
from influence.explicit import flat, gradients
from tiny_models import bare
from torch import nn

import sonde
from sonde.access import Model
from sonde.influence import Along, NextToken, SquaredError, exact, fit
from sonde.results import InputError, SondeError
from sonde.tasks import LogitDifference

ROWS = [[3, 1, 4, 1, 5, 9], [2, 6], [5, 3, 5], [8, 9, 7, 9]]
QUERIES = [[3, 1, 4], [9, 2, 6, 5]]
N, DECAY = 12, 0.05


@pytest.fixture(scope="module")
def ridge():
    """Least squares with weight decay: the weights that any weighing of the examples gives are a linear system."""
    torch.manual_seed(0)
    x, y = torch.randn(N, 4, dtype=torch.float64), torch.randn(N, 3, dtype=torch.float64)

    def trained(weights):
        a = torch.cat([x, torch.ones(N, 1, dtype=torch.float64)], 1)
        A = a.T @ (weights[:, None] * a) / N + DECAY * torch.eye(5, dtype=torch.float64)
        return torch.linalg.solve(A, a.T @ (weights[:, None] * y) / N).T

    network = nn.Sequential(nn.Linear(4, 3)).double()
    with torch.no_grad():
        W = trained(torch.ones(N, dtype=torch.float64))
        network[0].weight.copy_(W[:, :-1])
        network[0].bias.copy_(W[:, -1])
    return network, (x, y), trained, torch.randn(2, 4, dtype=torch.float64)


def test_a_component_s_influence_is_what_training_again_does_to_it(ridge):
    network, train, trained, x = ridge
    direction = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    inputs = torch.cat([x, torch.ones(2, 1, dtype=torch.float64)], 1)
    solver = exact(network, train, SquaredError(), damping=DECAY)
    queries = (x, torch.zeros(2, 3, dtype=torch.float64))
    along, entry = solver.scores(queries, of=("0:out", direction)), solver.scores(queries, of=("0:out", 1))
    torch.testing.assert_close(along.query_values, (inputs @ trained(torch.ones(N, dtype=torch.float64)).T) @ direction)
    step = 1e-4
    for i in range(N):
        change = torch.zeros(N, dtype=torch.float64)
        change[i] = step
        less, more = (inputs @ trained(1 + sign * change).T for sign in (-1, 1))
        truth = (less - more) / (2 * step)  # by how much the component changes where the example's weight sinks
        torch.testing.assert_close(along.removal[:, i], truth @ direction, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(entry.removal[:, i], truth[:, 1], rtol=1e-6, atol=1e-9)
    assert not torch.allclose(along.values, entry.values, rtol=0.1)  # the control: another component has other data


@pytest.mark.parametrize("family", ["native", "gpt2", "llama"])
def test_heads_and_neurons_of_language_models(family):
    model = Model(bare(family).double())
    influence = fit(model, ROWS, NextToken(), "identity", batch_size=3)
    names = [block.name for block in influence.coverage.blocks]
    G = flat(gradients(model.module, names, [_loss(model, row) for row in ROWS]))
    d = torch.arange(1.0, 1 + model.run(ROWS[0], read="blocks.1.attn.z")["blocks.1.attn.z"].shape[-1], dtype=torch.float64)
    kept = []
    out = {"native": "blocks.1.attn.o", "gpt2": "transformer.h.1.attn.c_proj", "llama": "model.layers.1.self_attn.o_proj"}[family]
    handle = model.module.get_submodule(out).register_forward_pre_hook(lambda module, args: kept.append(args[0]))
    for query in QUERIES:
        model.module(torch.tensor([query]))
    handle.remove()
    truth = flat(gradients(model.module, names, [z[0, -1].unflatten(-1, (-1, len(d)))[1] @ d for z in kept]))
    found = influence.scores(QUERIES, of=("blocks.1.attn.z[head=1, pos=-1]", d))
    rough = {"rtol": 1e-5, "atol": 1e-8} if family == "llama" else {"rtol": 1e-8, "atol": 1e-11}  # its rotary angles are float32 in any case
    torch.testing.assert_close(found.values, truth @ G.T, **rough)
    above = influence.scores(QUERIES, of=("blocks.1.attn.z[head=1, pos=-1]", d), by="module")
    later = [i for i, name in enumerate(names) if "mlp" in name and "1" in name]
    assert later and not above.by_module[..., later].any()  # what comes after the head has no part in it
    assert found.of.startswith("blocks.1.attn.z[head=1")


def _loss(model, row):
    ids = torch.tensor([row])
    output = model.module(ids)
    logits = output if isinstance(output, torch.Tensor) else output.logits
    return nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum")


def test_metrics_of_a_run_and_features():
    model = Model(bare("native").double())
    influence = fit(model, ROWS, NextToken(), labels="empirical")
    found = influence.scores(QUERIES, of=LogitDifference([3, 4], [5, 6]))

    def difference(module, batch):
        logits = module(batch.ids, **batch.call)[torch.arange(2), batch.real.sum(1) - 1]
        return logits[torch.arange(2), [3, 4]] - logits[torch.arange(2), [5, 6]]

    torch.testing.assert_close(found.values, influence.scores(QUERIES, of=difference).values, rtol=1e-8, atol=1e-11)
    torch.testing.assert_close(influence.index(k=None, dtype=torch.float64).scores(QUERIES, of=LogitDifference([3, 4], [5, 6])).values, found.values)
    one_by_one = fit(model, ROWS, NextToken(), labels="empirical", batch_size=1).scores(QUERIES, of=LogitDifference([3, 4], [5, 6]))
    torch.testing.assert_close(one_by_one.values, found.values, rtol=1e-6, atol=1e-9)  # each query keeps its own target

    width = model.run(ROWS[0], read="blocks.0.resid_post")["blocks.0.resid_post"].shape[-1]
    axes = torch.linalg.qr(torch.randn(width, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).Q
    attached = model.attach("blocks.0.resid_post", sonde.bases.Subspace(axes), name="turned")
    asked = fit(attached, ROWS, NextToken(), fitted=influence.curvature)
    feature = asked.scores(QUERIES, of=("blocks.0.resid_post.turned[pos=-1]", 2)).values
    along = influence.scores(QUERIES, of=("blocks.0.resid_post[pos=-1]", axes[:, 2])).values
    torch.testing.assert_close(feature, along, rtol=1e-7, atol=1e-10)


def test_groups_are_left_out_together(ridge):
    network, train, trained, x = ridge
    groups = {"one": [3], "three": [0, 5, 7], "half": list(range(6))}
    solver = exact(network, train, SquaredError(), damping=DECAY)
    queries = (x, torch.zeros(2, 3, dtype=torch.float64))
    inputs = torch.cat([x, torch.ones(2, 1, dtype=torch.float64)], 1)

    def value(weights):
        return (inputs @ trained(weights).T)[:, 1]

    whole = value(torch.ones(N, dtype=torch.float64))
    found = {order: solver.groups(queries, groups, of=("0:out", 1), order=order) for order in (1, 2, "newton")}
    for g, members in enumerate(groups.values()):
        weights = torch.ones(N, dtype=torch.float64)
        weights[members] = 0
        truth = value(weights) - whole
        torch.testing.assert_close(found["newton"].removal[:, g], truth, rtol=1e-8, atol=1e-11)
        off = [float((found[order].removal[:, g] - truth).norm()) for order in (1, 2)]
        assert off[1] < off[0]
    torch.testing.assert_close(found[1].values, solver.scores(queries, of=("0:out", 1)).grouped(groups).values, rtol=1e-9, atol=1e-12)
    # here the assumptions of K-FAC hold, and the curvature's own decay is the damping
    ekfac = fit(network, train, SquaredError(), damping=DECAY, batch_size=5)
    for order in (1, 2):
        given = ekfac.groups(queries, groups, of=("0:out", 1), order=order)
        torch.testing.assert_close(given.values, found[order].values, rtol=1e-8, atol=1e-10)
    for call, words in (
        (lambda: solver.groups(queries, {"odd": [N]}), "there are 12"),
        (lambda: solver.groups(queries, {"odd": [1, 1]}), "twice"),
        (lambda: solver.groups(queries, {"odd": []}), "no example"),
        (lambda: solver.groups(queries, {}), "give a name"),
        (lambda: solver.groups(queries, groups, order=3), "order=3"),
        (lambda: ekfac.groups(queries, groups, order="newton"), "order='newton'"),
        (lambda: exact(network, train, SquaredError(), damping=1e-12).groups(queries, {"all": range(N)}), "is not positive"),
        (lambda: fit(network, train, SquaredError(), "identity").groups(queries, groups, order=2), "there is none"),
    ):
        with pytest.raises(InputError, match=words):
            call()


def test_what_can_t_be_asked_about():
    model = Model(bare("native"))
    influence = fit(model, ROWS, NextToken(), labels="empirical")
    for of, words in (
        ("loss", "give a function"),
        (("blocks.0.attn.z", torch.ones(4)), "select one place"),
        (("blocks.0.mlp.post[pos=-1]", 10**6), "entries"),
        (("blocks.0.mlp.post[pos=-1]", torch.ones(3)), "give one number for each"),
        (("blocks.9.mlp.post[pos=-1]", 0), "blocks.9"),
        (lambda run: run.logits.mean(), "one number per example"),
    ):
        with pytest.raises(SondeError, match=words):
            influence.scores(QUERIES, of=of)
    up = model.module.get_submodule("blocks.0.mlp.up").weight
    with pytest.raises(InputError, match="otherwise than by calling it"):
        influence.scores(QUERIES, of=lambda run: run.logits[:, 0, 0] + up.sum())
    assert repr(Along("blocks.0.mlp.post[pos=-1]", 3)) == "blocks.0.mlp.post[pos=-1] entry 3"
