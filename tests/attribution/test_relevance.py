"""Relevance against dense derivations by hand, captum, and what must be conserved."""

import pytest
import tiny_families
import torch
from attribution.nets import convnet, rectified
from small_models import words
from tiny_models import bare
from torch import nn

import sonde
from sonde.attribution import gradient_x_input, integrated_gradients, lrp
from sonde.nn import Transformer, TransformerConfig, permuted
from sonde.results import EditError, InputError
from sonde.tasks import Logit, LogitDifference

IDS = [[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]]


def dense(net, row, target, share):
    """Relevance of a network of two linear layers by the sums that define it; `share` gives what neuron j hands to each i."""
    first, second = net[0], net[2]
    a = (first.weight @ row + first.bias).relu()
    out = second.weight @ a + second.bias
    upper = torch.zeros(len(out))
    upper[target] = out[target]
    for layer, x, z in ((second, a, out), (first, row, first.weight @ row + first.bias)):
        lower = torch.zeros(len(x))
        for j in range(len(z)):
            if upper[j] != 0:
                lower += share(x, layer.weight[j], layer.bias[j], z[j]) * upper[j]
        upper = lower
    return upper


def epsilon(x, w, b, z, eps=0.1):
    return x * w / (z + eps * (1 if z >= 0 else -1))


def zplus(x, w, b, z):
    return (x * w).clamp(min=0) / ((x * w).clamp(min=0).sum() + b.clamp(min=0))


def alpha_beta(x, w, b, z):
    part = x * w
    up, down = part.clamp(min=0), part.clamp(max=0)
    return 2 * up / (up.sum() + b.clamp(min=0)) - down / (down.sum() + b.clamp(max=0))


def gamma(x, w, b, z, by=0.25):
    """What speaks for the sign of z counts 1 + gamma times."""
    part = x * w
    favoured = part + by * (part.clamp(min=0) if z > 0 else part.clamp(max=0))
    kept = b + by * (b.clamp(min=0) if z > 0 else b.clamp(max=0))
    return favoured / (favoured.sum() + kept)


RULES = [("epsilon", {"epsilon": 0.1}, epsilon), ("zplus", {}, zplus), ("alpha-beta", {}, alpha_beta), ("gamma", {"gamma": 0.25}, gamma)]


@pytest.mark.parametrize("rule, options, share", RULES, ids=[rule for rule, *_ in RULES])
def test_every_rule_is_its_own_sum(rule, options, share):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
    rows = torch.randn(5, 4)
    with torch.no_grad():
        expected = torch.stack([dense(net, row, 1, share) for row in rows])
    found = lrp(sonde.Model(net), rows, of=Logit([1]), rule=rule, **({"epsilon": 1e-9} | options))
    assert torch.allclose(found.values, expected, atol=1e-5, rtol=1e-4)
    assert torch.allclose(found.metric, net(rows)[:, 1])


def test_epsilon_and_zplus_are_captums():
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule

    for rule, theirs in (("epsilon", EpsilonRule(1e-4)), ("zplus", Alpha1_Beta0_Rule())):
        net, rows = rectified(bias=False)
        rows = rows.abs()  # captum's positive rule knows positive inputs only
        expected = LRP(_ruled(net, theirs)).attribute(rows, target=1)
        found = lrp(sonde.Model(rectified(bias=False)[0]), rows, of=Logit([1]), rule=rule, epsilon=1e-4 if rule == "epsilon" else 1e-9)
        assert torch.allclose(found.values, expected, atol=1e-5, rtol=1e-3), rule


def _ruled(net, rule):
    for layer in net:
        if isinstance(layer, nn.Linear):
            layer.rule = rule
    return net


@pytest.mark.parametrize("net", [rectified, convnet])
def test_without_biases_epsilon_is_gradient_x_input_and_conserves(net):
    for bias in (False, True):
        module, inputs = net(bias=bias)
        model = sonde.Model(module)
        found = lrp(model, inputs, of=Logit([0]))
        assert (found.residual.abs().max() < 1e-4) is not bias
        if not bias:
            others = (gradient_x_input(model, inputs, of=Logit([0])), integrated_gradients(model, inputs, of=Logit([0]), baseline="zero", steps=1))
            assert all(torch.allclose(found.values, other.values, atol=1e-4) for other in others)


@pytest.mark.parametrize("rule", ["gamma", "zplus", "alpha-beta"])
def test_the_other_rules_conserve_without_biases(rule):
    module, pictures = convnet(bias=False)
    found = lrp(sonde.Model(module), pictures, of=Logit([0]), rule=rule, epsilon=1e-9)
    plain = gradient_x_input(sonde.Model(module), pictures, of=Logit([0]))
    assert found.residual.abs().max() < 1e-3 * found.metric.abs().max() + 1e-4
    assert not torch.allclose(found.values, plain.values, atol=1e-3)


def one_head():
    """x_T + sum_t A_Tt x_t W_V W_O, read by the unembedding: one head, no MLP, no norm, no bias, no positions."""
    torch.manual_seed(0)
    config = TransformerConfig(
        n_layers=1, d_model=6, n_heads=1, d_vocab=9, n_ctx=8, d_mlp=0, norm=None, tied=False, bias=False, positional=None
    )  # fmt: skip
    module = Transformer(config).eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(0.6 * torch.randn(weight.shape))
    return module


@pytest.mark.parametrize("attention", ["attnlrp", "frozen"])
def test_a_head_by_hand(attention):
    module, ids = one_head(), [1, 5, 2, 7, 3]
    block = module.blocks[0].attn
    with torch.no_grad():
        X = module.embed.weight[ids]
        u = module.unembed.weight[4] - module.unembed.weight[8]
        q, k, v = X @ block.q.weight.T, X @ block.k.weight.T, X @ block.v.weight.T
        scores = q[-1] @ k.T * block.scaling
        pattern = scores.softmax(-1)
        moved = v @ block.o.weight.T @ u  # what each token's value adds to the metric, for a whole pattern entry
        R_pattern = pattern * moved
        expected = torch.zeros(5)
        expected[-1] = X[-1] @ u
        if attention == "frozen":
            expected += R_pattern
        else:
            expected += R_pattern / 2
            R_scores = scores * (R_pattern / 2 - pattern * (R_pattern / 2).sum())  # the softmax's Taylor rule
            expected += R_scores / 2  # to the keys ...
            expected[-1] += R_scores.sum() / 2  # ... and to the one query that is read
    found = lrp(sonde.Model(module), [ids], of=LogitDifference(4, 8), attention=attention)
    assert torch.allclose(found.values[0], expected, atol=1e-5)
    if attention == "frozen":
        assert found.residual.abs().max() < 1e-5


CONSERVING = ["llama", "mistral", "qwen3", "smollm3", "gemma", "gemma3", "olmo2", "phi3"]


@pytest.mark.parametrize("family", CONSERVING)
def test_families_without_biases_conserve_under_a_frozen_pattern(family):
    model = sonde.load(tiny_families.build(family))
    metric = LogitDifference([3, 5], [5, 3])
    assert lrp(model, IDS, of=metric, attention="frozen").residual.abs().max() < 1e-4
    assert gradient_x_input(model, IDS, of=metric).values.sum(-1).sub(model.run(IDS).last_logits[:, 3]).abs().max() > 1e-2  # the control


@pytest.mark.parametrize("family", ["gpt2", "gptj", "opt", "bloom", "falcon", "gpt_neox", "gemma2"])
def test_other_families_are_covered_and_say_what_is_left(family):
    found = lrp(sonde.load(tiny_families.build(family)), IDS, of=LogitDifference(3, 5))
    assert torch.isfinite(found.values).all() and torch.allclose(found.values.sum(-1) + found.residual, found.metric, atol=1e-4)


def test_gamma_in_a_transformer():
    model = sonde.Model(bare("native-gated"))
    plain, favoured = (lrp(model, IDS, of=LogitDifference(3, 5), rule=rule, attention="frozen") for rule in ("epsilon", "gamma"))
    assert not torch.allclose(plain.values, favoured.values, atol=1e-3) and favoured.residual.abs().max() < 1e-3
    assert favoured.method == "LRP (frozen pattern, gamma)"


def test_what_comes_later_gets_nothing_and_padding_changes_nothing():
    model = words()
    metric = LogitDifference(100, 101, pos=3)
    values = lrp(model, "The keys on the cabinet near the dog", of=metric).values[0]
    assert bool((values[4:] == 0).all()) and bool((values[1:4] != 0).any())
    prompts, last = ["The keys on the cabinet", "The dog"], LogitDifference(100, 101)
    whole = lrp(model, prompts, of=last)
    for i, prompt in enumerate(prompts):
        alone = lrp(model, prompt, of=last).values[0]
        assert torch.allclose(whole.values[i, : len(alone)], alone, atol=2e-3, rtol=1e-3)


def test_swap_and_control():
    model = words()
    there, back, other = (
        lrp(m, "The keys on the cabinet", of=LogitDifference(*ends)).values
        for m, ends in ((model, (100, 101)), (model, (101, 100)), (sonde.Model(permuted(model.module, 0), model.tokenizer), (100, 101)))
    )
    assert torch.allclose(there, -back, atol=1e-4) and not torch.allclose(there, other, atol=1e-2)


@pytest.mark.parametrize(
    "module, options, error, message",
    [
        (nn.Sequential(nn.LSTM(4, 3, batch_first=True)), {}, InputError, "'0' is a LSTM, for which LRP has no rule here: use integrated gradients"),
        (rectified()[0], {"attention": "raw"}, InputError, "attention='raw': use 'attnlrp' or 'frozen'"),
        (rectified()[0], {"rule": "delta"}, EditError, "a rule is 'epsilon', 'gamma', 'zplus' or 'alpha-beta'"),
        (nn.Sequential(nn.Linear(4, 3), nn.Softplus()), {}, EditError, "gives something for nothing|identity"),
    ],
)
def test_refusals(module, options, error, message):
    rows = torch.zeros(2, 4) if isinstance(module[-1], nn.Softplus) else torch.randn(2, 4)
    if isinstance(module[-1], nn.Softplus):
        nn.init.zeros_(module[0].bias)
    with pytest.raises(error, match=message):
        lrp(sonde.Model(module), rows, of=Logit([0]), **options)
