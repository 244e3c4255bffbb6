"""A metric asked again and again under edits of the same places equals whole forwards, its gradient too, and runs nothing before them."""

import pytest
import tiny_encoders
import torch
from tiny_families import build
from tiny_models import VOCAB

import sonde
from sonde.access.engine.repeated import Repeated
from sonde.access.forward import differentiable
from sonde.access.writes import Write
from sonde.bases import Subspace
from sonde.results import SondeError
from sonde.tasks import CrossEntropy, LogitDifference

EVEN = torch.randint(6, VOCAB, (3, 7), generator=torch.Generator().manual_seed(3)).tolist()
RAGGED = [EVEN[0][:4], EVEN[1], EVEN[2][:6]]
SITES = ["blocks.1.resid_post[pos=-1]", "blocks.0.resid_post", "blocks.0.resid_pre[pos=2]", "blocks.1.attn.z[head=0]", "blocks.1.attn.q[pos=-1]"]


def asked(model, given, site, metric):
    """A function from directions to the metric under a swap, begun late, and the same as whole forwards."""
    place = sonde.Site.parse(site)
    source = model.run([row[::-1] for row in given], read=[str(place.whole())])
    inputs = model.prepare(given)

    def writes(Q):
        return [Write(place, sonde.Swap(place, source, Subspace(Q)))]

    width = source[place].shape[-1]
    Q = torch.linalg.qr(torch.randn(width, 2, generator=torch.Generator().manual_seed(1))).Q.requires_grad_()
    late = Repeated(model, inputs, metric, writes(Q.detach()))
    return Q, lambda: late(writes(Q)), lambda: differentiable(model, inputs, writes(Q), metric)


def gradient(value, Q):
    return torch.autograd.grad(value.sum(), Q)[0]


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma", "gpt_neox", "bloom", "bert"])
def test_value_and_gradient_are_those_of_whole_forwards(family):
    model = sonde.Model(tiny_encoders.build(family) if family == "bert" else build(family))
    for given in (EVEN, RAGGED):
        for site in SITES:
            Q, late, plain = asked(model, given, site, CrossEntropy([5, 7, 9]))
            whole = plain().detach()
            off = (late().detach() - whole).abs().max()
            assert off <= 1e-5 * max(1, whole.abs().max()), site
            expected = gradient(plain(), Q)
            assert torch.allclose(gradient(late(), Q), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max())), site
            assert float(expected.abs().max()) > 0
            # the control: without the swap the value is another one
            assert (CrossEntropy([5, 7, 9])(model.run(given)) - whole).abs().max() > 10 * off, site


def test_nothing_before_the_place_is_computed():
    model = sonde.Model(build("gpt2"))
    Q, late, _ = asked(model, EVEN, "blocks.1.resid_pre[pos=-1]", CrossEntropy([5, 7, 9]))
    late()
    seen = []
    handles = [model.block(i).register_forward_pre_hook(lambda module, args, i=i: seen.append((i, args[0].shape[1]))) for i in range(2)]
    gradient(late(), Q)
    for handle in handles:
        handle.remove()
    assert seen == [(1, 1)]  # the one block behind the place, at the last column only
    assert all(p.requires_grad and p.grad is None for p in model.module.parameters())


def test_a_metric_left_of_the_place_has_no_gradient():
    model = sonde.Model(build("gpt2"))
    Q, late, plain = asked(model, EVEN, "blocks.1.resid_pre[pos=5]", LogitDifference([5], [7], pos=2))
    assert torch.equal(late().detach(), plain().detach()) and not gradient(late(), Q).any()


def test_a_module_of_no_known_family_runs_whole():
    model = sonde.load(torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3)))
    x, metric = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), CrossEntropy([(1,)] * 5)
    source = model.run(-x, read=["1:out"])
    place, Q = sonde.Site.parse("1:out"), torch.eye(6)[:, :2].requires_grad_()
    write = [Write(place, sonde.Swap(place, source, Subspace(Q)))]
    late = Repeated(model, model.prepare(x), metric, write)
    assert torch.equal(late(write), differentiable(model, model.prepare(x), write, metric))


def test_a_model_whose_blocks_can_not_be_begun_late_is_refused():
    """A block that remembers: what it gives depends on how often it was called, so that the late value is not the whole forward's."""
    module = build("gpt2")
    own = module.transformer.h[1].mlp.forward
    calls = []

    def remembering(x):
        calls.append(1)
        return own(x) * len(calls)

    module.transformer.h[1].mlp.forward = remembering
    _, late, _ = asked(sonde.Model(module), EVEN, "blocks.1.resid_pre[pos=-1]", CrossEntropy([5, 7, 9]))
    with pytest.raises(SondeError, match="where a plain forward gives"):
        late()
