"""The closed-form gradients of every architecture and term against the same losses written densely and differentiated by torch."""

from dataclasses import replace

import pytest
import torch

from sonde.dictionaries import reference
from sonde.dictionaries.active import Encoder
from sonde.dictionaries.architectures import (
    L0,
    L1,
    Architecture,
    AuxK,
    BatchTopK,
    Gated,
    JumpReLU,
    Matryoshka,
    Monosemantic,
    MultiTopK,
    PreActivation,
    ReLU,
    Tanh,
    TopK,
)
from sonde.dictionaries.step import Moment, Step
from sonde.results import InputError

N, D, F = 40, 12, 48

ARCHITECTURES = {
    "relu": ReLU(),
    "relu, unit, centred": Monosemantic(),
    "relu, p": ReLU(sparsity=L1(0.3, p=0.5)),
    "relu, tanh": ReLU(sparsity=Tanh(0.3)),
    "topk": TopK(k=5),
    "topk, no aux": TopK(k=5, auxk=None, error="mse", unit=False, centred=False),
    "topk, multi": TopK(k=4, multi=MultiTopK(), unit=False),
    "topk, penalised": TopK(k=5, sparsity=L1(0.1), unit=False),
    "batch": BatchTopK(k=5),
    "matryoshka": Matryoshka(k=5),
    "matryoshka, free": Matryoshka(k=5, unit=False, centred=False, prefixes=(0.25, 1.0)),
    "abstopk": Architecture(activation="abstopk", k=4),
    "abstopk, penalised": Architecture(activation="abstopk", k=4, sparsity=L1(0.1)),
    "groupmax": Architecture(activation="groupmax", k=4),
    "jumprelu": JumpReLU(sparsity=L0(0.05, bandwidth=0.5), threshold=0.3),
    "jumprelu, target": JumpReLU(sparsity=L0(2.0, bandwidth=0.5, target=4.0), threshold=0.3, unit=False),
    "jumprelu, tanh": JumpReLU(sparsity=Tanh(0.1, bandwidth=0.5), threshold=0.3, pre_activation=PreActivation(0.01), unit=False),
    "gated": Gated(sparsity=L1(0.2, lengths=False)),
    "gated, lengths": Gated(sparsity=L1(0.2), unit=False, centred=False),
    "skip": TopK(k=5, skip=True, centred=False),
    "skip, multi": TopK(k=5, skip=True, centred=False, multi=MultiTopK()),
    "skip, relu": ReLU(skip=True),
}


def weights_of(architecture: Architecture, seed: int = 3, sparse: bool = False) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)
    found = {"encoder": draw(F, D) / D**0.5, "encoder_bias": 0.1 * draw(F), "decoder": draw(F, D), "decoder_bias": 0.3 * draw(D)}
    if sparse:
        found["encoder_bias"] -= 2.0
    if architecture.unit:
        found["decoder"] /= found["decoder"].norm(dim=1, keepdim=True)
    if architecture.activation == "jumprelu":
        found["threshold"] = 0.2 + 0.2 * draw(F).abs()
    if architecture.activation == "gated":
        found |= {"gate_bias": 0.1 * draw(F) - (1.0 if sparse else 0.0), "log_scale": 0.1 * draw(F)}
    if architecture.skip:
        found["skip"] = 0.2 * draw(D, D)
    return found


def both(architecture, weights, x, y, moment, parts=(D,)):
    fast = Step(architecture, parts)(weights, x, y, moment)
    held = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    losses = reference.loss(held, x, y, architecture, moment, parts)
    slow = dict(zip(held, torch.autograd.grad(sum(losses.values()), list(held.values()), allow_unused=True), strict=True))
    if architecture.unit:
        decoder = weights["decoder"]
        slow["decoder"] = slow["decoder"] - (slow["decoder"] * decoder).sum(1, keepdim=True) * decoder
    return fast, losses, slow


@pytest.mark.parametrize("sparse", [False, True], ids=["many active", "few active"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_losses_and_gradients_are_those_of_torch(name, sparse):
    architecture = ARCHITECTURES[name]
    generator = torch.Generator().manual_seed(8)
    x = torch.randn(N, D, generator=generator, dtype=torch.float64)
    y = torch.randn(N, D, generator=generator, dtype=torch.float64) if architecture.skip else x
    p = getattr(architecture.sparsity, "p", 1.0)
    moment = Moment(torch.tensor([3, 7, 20, 41, 42]), weight=0.7, p=p, before=p)
    fast, losses, slow = both(architecture, weights_of(architecture, sparse=sparse), x, y, moment)
    assert set(fast.losses) == set(losses)
    for term, value in losses.items():
        torch.testing.assert_close(fast.losses[term].double(), value.detach(), rtol=1e-9, atol=1e-10, msg=lambda m, term=term: f"{term}: {m}")
    assert set(fast.by) == {name for name, gradient in slow.items() if gradient is not None}
    for weight, gradient in fast.by.items():
        torch.testing.assert_close(gradient, slow[weight], rtol=1e-8, atol=1e-10, msg=lambda m, weight=weight: f"{weight}: {m}")


def test_a_crosscoder_adds_up_the_lengths_of_its_parts():
    architecture = ReLU(sparsity=L1(0.3))
    x = torch.randn(N, D, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    fast, losses, slow = both(architecture, weights_of(architecture, sparse=True), x, x, Moment(), (5, 7))
    torch.testing.assert_close(fast.losses["sparsity"], losses["sparsity"].detach())
    torch.testing.assert_close(fast.by["decoder"], slow["decoder"])
    whole = both(architecture, weights_of(architecture, sparse=True), x, x, Moment(), (D,))[0]
    assert whole.losses["sparsity"] < fast.losses["sparsity"]  # the control: one part is shorter than the sum of its parts


def test_dense_and_sparse_products_agree(monkeypatch):
    architecture = ReLU(sparsity=L1(0.3))
    x = torch.randn(N, D, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    weights = weights_of(architecture)
    dense = Step(architecture, (D,))(weights, x, x, Moment())
    monkeypatch.setattr("sonde.dictionaries.step.DENSE_ABOVE", 1.0)
    sparse = Step(architecture, (D,))(weights, x, x, Moment())
    assert dense.active == sparse.active and torch.equal(dense.fired, sparse.fired)
    for name in dense.by:
        torch.testing.assert_close(dense.by[name], sparse.by[name], rtol=1e-9, atol=1e-12)


def test_nothing_dead_costs_and_changes_nothing():
    architecture = TopK(k=5, auxk=AuxK(1.0))
    x = torch.randn(N, D, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    weights = weights_of(architecture)
    none, empty = (Step(architecture, (D,))(weights, x, x, Moment(dead)) for dead in (None, torch.zeros(0, dtype=torch.long)))
    assert "auxk" not in none.losses and "auxk" not in empty.losses
    assert all(torch.equal(none.by[name], empty.by[name]) for name in none.by)


@pytest.mark.parametrize("scale", [1.0, -1.0], ids=["guess holds", "nothing above 0"])
def test_k_over_the_batch_is_exact_whatever_the_sample_says(scale, monkeypatch):
    monkeypatch.setattr("sonde.dictionaries.active.ROWS", 16)
    architecture = BatchTopK(k=3)
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(64, D, generator=generator, dtype=torch.float64)
    x[:16] *= 30.0  # the rows that the threshold is guessed from are not like the others: the guess is far too high
    weights = weights_of(architecture)
    if scale < 0:
        weights["encoder_bias"] -= 1e3
    fast = Step(architecture, (D,))(weights, x, x, Moment())
    z = ((x - weights["decoder_bias"]) @ weights["encoder"].T + weights["encoder_bias"]).flatten()
    wanted = z[z > 0].topk(min(3 * 64, int((z > 0).sum()))).values
    assert fast.active == len(wanted) / 64
    assert fast.kept_from == (pytest.approx(float(wanted.min())) if len(wanted) else 0.0)


@pytest.mark.parametrize(
    "architecture", [TopK(k=5), Architecture(activation="abstopk", k=4), TopK(k=4, multi=MultiTopK())], ids=["topk", "abstopk", "multi"]
)
def test_a_search_in_low_precision_changes_who_is_chosen_at_the_edge_and_no_value(architecture):
    weights = {name: weight.float() for name, weight in weights_of(architecture).items()}
    x = torch.randn(N, D, generator=torch.Generator().manual_seed(5))
    found = [Encoder().find(x, weights, replace(architecture, search=search), None) for search in ("float32", "bfloat16")]
    tables = [torch.zeros(N, F).index_put_((active.entries.rows, active.entries.latents), active.z) for active in found]
    both = (tables[0] != 0) & (tables[1] != 0)
    assert both.sum() > 0.97 * (tables[0] != 0).sum() > 0
    torch.testing.assert_close(tables[1][both], tables[0][both])
    if architecture.multi is not None:
        further = [torch.zeros(N, F).index_put_((active.more[0].rows, active.more[0].latents), active.more[1]) for active in found]
        both = (further[0] != 0) & (further[1] != 0)
        torch.testing.assert_close(further[1][both], further[0][both])


def test_a_search_in_low_precision_is_refused_where_a_threshold_decides():
    for refused in (lambda: ReLU(search="bfloat16"), lambda: BatchTopK(search="bfloat16"), lambda: TopK(search="half")):
        with pytest.raises(InputError, match="search="):
            refused()
