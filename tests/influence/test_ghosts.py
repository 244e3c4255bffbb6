"""What is told of gradients without forming them is what the plain way gives, for every kind of module and of use."""

import pytest
import torch
from influence.explicit import gradients
from tiny_models import bare
from torch import nn

from sonde.access import Model
from sonde.influence import NextToken, fit
from sonde.results import InputError

CLOSE = {"rtol": 1e-9, "atol": 1e-12}


class Twice(nn.Module):
    """A linear map that is called twice, the second time on what it gave, and a norm between."""

    def __init__(self):
        super().__init__()
        self.step, self.norm, self.read = nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2)

    def forward(self, x):
        return self.read(self.step(self.norm(self.step(x)).tanh()))


class Shared(nn.Module):
    """Two modules with one weight and one bias."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight, self.second.bias = self.first.weight, self.first.bias

    def forward(self, x):
        return self.second(self.first(x).relu())


class Bag(nn.Module):
    """The mean of embeddings, of which one is padding."""

    def __init__(self):
        super().__init__()
        self.table, self.norm, self.read = nn.Embedding(7, 4, padding_idx=0), nn.RMSNorm(4), nn.Linear(4, 2, bias=False)

    def forward(self, ids):
        return self.read(self.norm(self.table(ids)).tanh().mean(1))


def pictures(**options):
    convolution = nn.Conv2d(2, 3, (3, 2), **options)
    return nn.Sequential(convolution, nn.ReLU(inplace=True), nn.Flatten(), nn.LazyLinear(2))


NETWORKS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 2, bias=False)), (6, 4)),
    "sequence": (lambda: nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 2)), (6, 3, 4)),
    "twice": (Twice, (6, 3, 4)),
    "shared": (Shared, (6, 4)),
    "bag": (Bag, None),
    "convolution": (lambda: pictures(stride=2, padding=1, dilation=(1, 2)), (6, 2, 7, 6)),
    "convolution without bias": (lambda: pictures(bias=False), (6, 2, 5, 5)),
}


def squared(module, batch):
    x, y = batch
    return (module(x) - y).square().flatten(1).sum(1)


def made(name):
    torch.manual_seed(0)
    build, shape = NETWORKS[name]
    x = torch.randint(7, (6, 5)) if shape is None else torch.randn(shape, dtype=torch.float64)
    network = build().double().eval()
    with torch.no_grad():
        y = torch.randn_like(network(x))
    return network, x, y


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_of_module(name):
    network, x, y = made(name)
    influence = fit(network, (x, y), squared, kind="identity", batch_size=4)
    names = [block.name for block in influence.coverage.blocks]
    assert not influence.coverage.left_out and influence.coverage.weights == sum(p.numel() for p in network.parameters())
    G = gradients(network, names, squared(network, (x, y)))
    found = influence.scores((x[:3], y[:3]), by="module")
    for place, matrices in enumerate(G):
        torch.testing.assert_close(found.by_module[..., place], matrices[:3].flatten(1) @ matrices.flatten(1).T, **CLOSE)
    own = sum(matrices.flatten(1).square().sum(1) for matrices in G)
    torch.testing.assert_close(influence.self_influence().values, own, **CLOSE)
    diagonal = fit(network, (x, y), squared, kind="diagonal", damping=0.5, batch_size=4)
    truth = sum((m / (m.square().mean(0) + 0.5)).flatten(1) @ m.flatten(1).T for m in G)
    torch.testing.assert_close(diagonal.scores((x, y)).values, truth, **CLOSE)
    torch.testing.assert_close(diagonal.self_influence().values, truth.diagonal(), **CLOSE)


@pytest.mark.parametrize("family", ["native", "native-gated", "gpt2", "llama"])
def test_language_models_with_padding(family):
    module = bare(family).double()
    rows = [[3, 1, 4, 1, 5, 9], [2, 6], [5, 3, 5], [8, 9, 7, 9]]
    influence = fit(module, rows, kind="identity", batch_size=3)
    names = [block.name for block in influence.coverage.blocks]
    losses = []
    for row in rows:  # one row at a time: no padding
        ids = torch.tensor([row])
        output = module(ids)
        logits = output if isinstance(output, torch.Tensor) else output.logits
        losses.append(nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum"))
    G = torch.cat([matrices.flatten(1) for matrices in gradients(module, names, losses)], 1)
    torch.testing.assert_close(influence.scores(rows[1:]).values, G[1:] @ G.T, rtol=1e-7, atol=1e-9)
    by_token = influence.scores(rows[1:], by="token")
    torch.testing.assert_close(by_token.values, G[1:] @ G.T, rtol=1e-7, atol=1e-9)
    for i, row in enumerate(rows):
        assert not by_token.by_token[:, i, len(row) :].any()
        assert not by_token.by_token[:, i, len(row) - 1].any()  # nothing is foretold from the last token


def test_only_the_completion_of_a_pair_counts():
    from small_models import words

    model = words()
    influence = fit(model, ["The keys are here.", "The dog is big."], kind="identity")
    whole, pair = influence.scores("The keys are here."), influence.scores([("The keys", " are here.")])
    assert not torch.allclose(whole.values, pair.values)
    ids = model.prepare(["The keys are here."]).ids
    before = model.prepare(["The keys"]).ids.shape[1]

    def completion(module, batch):
        logits = module(batch.ids)
        return nn.functional.cross_entropy(logits[0, before - 1 : -1], ids[0, before:], reduction="sum")[None]

    torch.testing.assert_close(pair.values, influence.scores("The keys are here.", of=completion).values, rtol=1e-4, atol=1e-6)
    with pytest.raises(InputError, match="where the completion begins"):
        influence.scores([("The ke", "ys are here.")])


def test_no_weight_gradient_and_no_trace_is_left_behind():
    network, x, y = made("mlp")
    network.train()
    fit(network, (x, y), squared).scores((x, y))
    assert all(p.grad is None and p.requires_grad for p in network.parameters()) and network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_a_module_used_functionally_is_left_out_by_name():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.silent, self.both, self.plain = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.plain(self.both(x @ self.silent.weight) @ self.both.weight)

    torch.manual_seed(0)
    x, y = torch.randn(5, 4), torch.randn(5, 2)
    influence = fit(Odd(), (x, y), squared)
    assert [block.name for block in influence.coverage.blocks] == ["plain"]
    assert "never called" in influence.coverage.left_out["silent"] and "another way" in influence.coverage.left_out["both"]
    with pytest.raises(InputError, match="'both' can't be looked at"):
        fit(Odd(), (x, y), squared, modules="both")


def test_tied_embeddings_are_stated():
    model = Model(bare("native"))
    rows = [[3, 1, 4, 1], [2, 6, 5]]
    assert any("'unembed' shares its weight" in note for note in fit(model, rows, modules="unembed").coverage.notes)
    with pytest.raises(InputError, match="different kinds"):
        fit(model, rows, modules=["embed", "unembed"])
    with pytest.raises(InputError, match="its first axis is not that of the examples"):
        fit(bare("gpt2"), rows, NextToken(), modules="transformer.wpe")
