"""SoLU: what it does to vectors that are known, and in a transformer."""

import pytest
import torch

from sonde.access.linearising import linearising
from sonde.nn import SoLU, Transformer, TransformerConfig
from sonde.results import InputError


@pytest.mark.parametrize(
    ("x", "wanted"),
    [
        ((4.0, 1.0, 4.0, 1.0), (1.905, 0.024, 1.905, 0.024)),
        ((4.0, 0.0, 0.0, 0.0), (3.792, 0.0, 0.0, 0.0)),
        ((1.0, 1.0, 1.0, 1.0), (0.25, 0.25, 0.25, 0.25)),
    ],
)
def test_known_vectors_to_three_digits(x, wanted):
    assert SoLU()(torch.tensor(x)).tolist() == pytest.approx(wanted, abs=5e-4)


def test_it_acts_across_neurons_and_in_any_order_of_them():
    x = torch.randn(6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(SoLU(), x)
    assert (jacobian - jacobian.diagonal().diag()).abs().max() > 1e-3  # not neuron by neuron
    step = 1e-6
    numerical = torch.stack([(SoLU()(x + step * e) - SoLU()(x - step * e)) / (2 * step) for e in torch.eye(6, dtype=torch.float64)], dim=1)
    assert torch.allclose(jacobian, numerical, atol=1e-6)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    assert torch.allclose(SoLU()(x)[order], SoLU()(x[order]))


def test_what_is_spread_shrinks_by_the_number_of_neurons():
    n, length = 16, 4.0
    spread, peaked = torch.full((n,), length / n**0.5), length * torch.eye(n)[0]
    assert float(SoLU()(spread).norm()) == pytest.approx(length / n)
    assert float(SoLU()(peaked).norm()) > 0.7 * length


def test_half_precision_does_not_overflow():
    x = torch.tensor([100.0, 90.0, -100.0], dtype=torch.float16)
    assert SoLU()(x).isfinite().all() and SoLU()(x).dtype == torch.float16


@pytest.mark.parametrize("activation", ["solu", "ln_solu"])
def test_a_transformer_has_it_where_any_activation_is(activation, tmp_path):
    import sonde

    config = TransformerConfig(n_layers=1, d_model=8, n_heads=2, d_vocab=11, n_ctx=6, d_mlp=16, activation=activation)
    torch.manual_seed(0)
    net = Transformer(config).eval()
    net.save(tmp_path / "kept")
    model = sonde.load(tmp_path / "kept")
    run = model.run([[1, 2, 3]], read=["blocks.0.mlp.pre", "blocks.0.mlp.post"])
    wanted = SoLU()(run["blocks.0.mlp.pre"])
    if activation == "ln_solu":
        inner = model.run([[1, 2, 3]], read="blocks.0.mlp.act.solu:out")["blocks.0.mlp.act.solu:out"]
        assert torch.allclose(inner, wanted, atol=1e-6)
        wanted = net.blocks[0].mlp.act.norm(wanted)
    assert torch.allclose(run["blocks.0.mlp.post"], wanted, atol=1e-6)
    with pytest.raises(InputError, match="inhibit one another"):  # a plain slope would look like relevance
        list(linearising(model, "frozen"))
