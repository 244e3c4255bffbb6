"""Edits of the way back: values bit for bit as they were, gradients those of the model with the part held constant."""

import pytest
import torch
from tiny_models import LogitDifference, bare

import sonde
from sonde.nn.transformer import Transformer, TransformerConfig
from sonde.results import EditError, SiteUnavailable

IDS = [[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]]


def sites_of(model, *ends):
    return [name for name in model.architecture.sites if name.endswith(ends)]


@pytest.fixture(scope="module")
def double():
    """Gated and without biases, in double precision: frozen, it is linear in its input."""
    config = TransformerConfig(
        n_layers=2, n_heads=4, d_model=16, d_vocab=40, n_ctx=12, d_mlp=24, gated=True, activation="silu", norm="rms", positional="rotary", bias=False,
    )  # fmt: skip
    module = Transformer(config).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(0.3 * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    return sonde.Model(module)


@pytest.mark.usefixtures("unchecked")
def test_values_stay_bit_for_bit(model, ids, metric):
    names = [name for name, spec in model.architecture.sites.items() if spec.block != 0]  # the other block stands for it
    base = model.run(ids, read=[*names, "blocks.0.attn.scores"])
    for name in names:
        for edit in (sonde.Detach(name), sonde.GradRule(name, "half")):
            run = model.run(ids, edits=edit, read="blocks.0.attn.scores")
            assert torch.equal(run.logits, base.logits), edit
            assert any("changes gradients only, and here none are taken" in note for note in run.notes)
    plain = model.grad(ids, metric, at="embed")
    assert torch.equal(model.grad(ids, metric, at="embed", edits=sonde.GradRule("blocks.1.resid_pre", "half")).metric, plain.metric)


def test_nothing_goes_through_a_detached_stream(model, ids, metric):
    grads = model.grad(ids, metric, at=["blocks.0.resid_pre", "blocks.1.resid_pre"], edits=sonde.Detach("blocks.0.resid_post"))
    assert (grads["blocks.0.resid_pre"] == 0).all()
    assert torch.allclose(grads["blocks.1.resid_pre"], model.grad(ids, metric, at="blocks.1.resid_pre")["blocks.1.resid_pre"], atol=1e-6)
    some = model.grad(ids, metric, at="embed", edits=sonde.Detach("blocks.1.resid_pre[pos=-1]"))
    whole = model.grad(ids, metric, at="embed")
    assert some["embed"].abs().sum() > 0 and not torch.allclose(some["embed"], whole["embed"], atol=1e-3)


@pytest.mark.parametrize("frozen", [["norm.scale"], ["attn.pattern"], ["norm.scale", "attn.pattern"], ["resid_mid"], ["attn.result"], ["mlp.post"]])
def test_gradients_are_those_of_the_model_with_the_constant_put_in(double, frozen):
    """Finite differences of a surrogate: the values of the frozen parts are written in as constants, and the input moved."""
    metric, names = LogitDifference(), sites_of(double, *frozen)
    base = double.run(IDS, read=names)
    constants = [sonde.Set(name, base[name]) for name in names]
    grad = double.grad(IDS, metric, at="embed", edits=[sonde.Detach(name) for name in names])["embed"]
    direction = torch.randn(grad.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    up, down = (metric(double.run(IDS, edits=[sonde.Add("embed", sign * 1e-5 * direction), *constants])) for sign in (1, -1))
    assert torch.allclose((up - down) / 2e-5, (grad * direction).sum((1, 2)), rtol=1e-5, atol=1e-7)
    free = double.grad(IDS, metric, at="embed")["embed"]
    assert not torch.allclose((free * direction).sum((1, 2)), (grad * direction).sum((1, 2)), rtol=1e-3)  # the control: it matters


FROZEN = ("norm.scale", "attn.pattern")


@pytest.mark.parametrize("products", ["half", "detached"])
def test_gradient_times_input_sums_to_the_output(double, products):
    """With every norm's scale, pattern and activation ratio frozen, and each product's gradient halved or one factor held, the model is linear."""
    edits = [sonde.Detach(name) for name in [*sites_of(double, *FROZEN), "final_norm.scale"]]
    for i in range(2):
        if products == "half":
            edits += [sonde.GradRule(f"blocks.{i}.mlp.act:out", "identity"), sonde.GradRule(f"blocks.{i}.mlp.post", "half")]
        else:
            edits.append(sonde.Detach(f"blocks.{i}.mlp.act:out"))
    metric = LogitDifference()
    grads = double.grad(IDS, metric, at=["embed", "blocks.1.resid_pre"], edits=edits)
    for site in ("embed", "blocks.1.resid_pre"):
        assert torch.allclose((grads[site] * grads.values[site]).sum((1, 2)), grads.metric, rtol=1e-9)
    plain = double.grad(IDS, metric, at="embed")
    assert not torch.allclose((plain["embed"] * plain.values["embed"]).sum((1, 2)), plain.metric, rtol=0.05)  # the control


def test_the_identity_rule_is_the_ratio():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.GELU(), torch.nn.Linear(5, 1))
    model, x = sonde.Model(net), torch.randn(4, 3)
    grads = model.grad(x, lambda run: run.logits[:, 0], at="0:out", edits=sonde.GradRule("1:out", "identity"))
    hidden = net[0](x)
    assert torch.allclose(grads["0:out"], net[1](hidden) / hidden * net[2].weight, atol=1e-6)
    some = model.grad(x, lambda run: run.logits[:, 0], at="0:out", edits=sonde.GradRule("1:out[batch=2, unit=1]", "identity"))
    plain = model.grad(x, lambda run: run.logits[:, 0], at="0:out")
    changed = torch.zeros(4, 5, dtype=torch.bool)
    changed[2, 1] = True
    assert torch.allclose(some["0:out"], torch.where(changed, grads["0:out"], plain["0:out"]), atol=1e-6)


@pytest.mark.parametrize("inplace", [False, True])
def test_guided_backpropagation(inplace):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.ReLU(inplace), torch.nn.Linear(6, 4), torch.nn.ReLU(inplace), torch.nn.Linear(4, 1))
    model, x = sonde.Model(net), torch.randn(5, 3)
    edits = [sonde.GradRule(f"{i}:out", "guided") for i in (1, 3)]
    found = model.grad(x, lambda run: run.logits[:, 0], at="0:in", edits=edits)["0:in"]
    with torch.no_grad():
        first = net[0](x)
        second = net[2](first.clamp(min=0))
        back = (net[4].weight.expand(5, 4).clamp(min=0) * (second > 0)) @ net[2].weight
        expected = (back.clamp(min=0) * (first > 0)) @ net[0].weight
    assert torch.allclose(found, expected, atol=1e-6)


def test_any_function_of_the_gradient(model, ids, metric):
    site = "blocks.1.resid_pre"
    plain = model.grad(ids, metric, at=["blocks.0.resid_pre"])["blocks.0.resid_pre"]
    turned = model.grad(ids, metric, at=["blocks.0.resid_pre"], edits=sonde.GradRule(site, lambda gradient: -3 * gradient))["blocks.0.resid_pre"]
    assert torch.allclose(turned, -3 * plain, rtol=1e-4, atol=1e-5)
    for wrong in (lambda gradient: gradient[:1], lambda gradient: None, torch.Tensor.double):
        with pytest.raises(EditError, match=r"the rule must return a gradient of torch\.float32"):
            model.grad(ids, metric, at="embed", edits=sonde.GradRule(site, wrong))


def test_by_row(model, ids, metric):
    grads = model.grad(ids, metric, at="embed", edits=sonde.PerRow([sonde.Detach("blocks.0.resid_post"), None]))
    assert (grads["embed"][0] == 0).all()
    assert torch.allclose(grads["embed"][1], model.grad(ids, metric, at="embed")["embed"][1], atol=1e-5)


def test_in_training():
    """What is detached learns nothing from what comes after it."""
    model = sonde.Model(bare("native").train())
    ids = torch.tensor(IDS)
    plain = model.module(ids)
    with model.edited(sonde.Detach("blocks.1.resid_pre")):
        logits = model.module(ids)
    assert torch.equal(logits, plain)
    logits.logsumexp(-1).mean().backward()
    assert all(p.grad is None or (p.grad == 0).all() for p in model.module.blocks[0].parameters())
    assert all(p.grad.abs().sum() > 0 for p in model.module.blocks[1].mlp.parameters())


def test_a_sweep_says_that_values_do_not_change(model, ids, metric):
    sweep = model.sweep(ids, [sonde.Detach("blocks.1.resid_pre"), sonde.Zero("blocks.1.resid_pre")], metric)
    assert torch.allclose(sweep.values[0], sweep.base, atol=1e-5) and not torch.allclose(sweep.values[1], sweep.base, atol=1e-3)
    assert any("changes gradients only" in note for note in sweep.notes)


class Functional(torch.nn.Module):
    """A ReLU that no module stands for."""

    def __init__(self):
        super().__init__()
        self.lin, self.softmax, self.act = torch.nn.Linear(3, 3), torch.nn.Softmax(-1), torch.nn.Sigmoid()
        self.inplace = torch.nn.ReLU(inplace=True)

    def forward(self, x):
        return self.softmax(self.inplace(torch.relu(self.lin(x)))) + self.act(0 * x)


@pytest.mark.parametrize(
    "site, rule, message",
    [
        ("lin:out", "guided", "guided backpropagation needs the output of an nn.ReLU, and here is a Linear; name an activation module by its path"),
        ("inplace:in", "guided", "needs the output of an nn.ReLU"),
        ("softmax:out", "identity", "a Softmax does not work entry by entry, so its output is not its input times a ratio"),
        ("lin:out", "identity", "a Linear does not work entry by entry"),
        ("act:out", "identity", "gives something for nothing: where its input is 0 its output is not"),
        ("inplace:out", "identity", "a ReLU writes over its input, so their ratio is lost; build it with inplace=False"),
        ("lin:in", "identity", "needs the output of an activation module"),
    ],
)
def test_rules_that_can_not_apply(site, rule, message):
    model = sonde.Model(Functional())
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(EditError, match=message):
        model.grad(x, lambda run: run.logits[:, 0], at="lin:in", edits=sonde.GradRule(site, rule))
    with pytest.raises((SiteUnavailable, sonde.SondeError), match="what a forward computes by functions is no place"):
        model.grad(x, lambda run: run.logits[:, 0], at="lin:in", edits=sonde.GradRule("relu:out", "guided"))


def test_a_ratio_that_overflows_is_refused():
    """1e-40 in, 0.69 out: their ratio is infinite, and nothing times infinity is no number."""
    model = sonde.Model(torch.nn.Sequential(torch.nn.Identity(), torch.nn.Softplus()))
    with pytest.raises(EditError, match="gives something for nothing"):
        model.grad(torch.full((1, 2), 1e-40), lambda run: run.logits.sum(1), at="0:out", edits=sonde.GradRule("1:out", "identity"))
    zeros = sonde.Model(torch.nn.Sequential(torch.nn.Identity(), torch.nn.GELU()))
    grads = zeros.grad(torch.zeros(1, 2), lambda run: run.logits.sum(1), at="0:out", edits=sonde.GradRule("1:out", "identity"))
    assert (grads["0:out"] == 0).all() and grads.metric.item() == 0


def test_other_refusals(loaded, metric):
    with pytest.raises(EditError, match="a rule is 'identity', 'guided', 'half', or a function of the gradient"):
        sonde.GradRule("embed", "deconvnet")
    with pytest.raises(EditError, match="needs the output of an activation module"):
        loaded["gpt2"].grad(IDS, metric, edits=sonde.GradRule("blocks.0.mlp.post", "identity"))
    with pytest.raises(EditError, match="holds whole numbers"):
        loaded["gpt2"].grad(IDS, metric, edits=sonde.GradRule("transformer.wte:in", "half"))


def test_families_name_their_activations_by_path(loaded, metric):
    for family, path in (("gpt2", "transformer.h.*.mlp.act:out"), ("llama", "model.layers.*.mlp.act_fn:out"), ("native", "blocks.*.mlp.act:out")):
        model = loaded[family]
        edits = [sonde.GradRule(site, "identity") for site in model.sites(path)]
        assert len(edits) == 2
        grads = model.grad(IDS, metric, at="embed", edits=edits)
        assert torch.equal(grads.metric, model.grad(IDS, metric, at="embed").metric)
        assert not torch.allclose(grads["embed"], model.grad(IDS, metric, at="embed")["embed"], atol=1e-4)
