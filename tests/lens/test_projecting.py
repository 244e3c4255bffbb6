"""The product a block of the vocabulary at a time is the model's own unembedding; its space is used again only when it may be."""

import pytest
import torch

import sonde
from sonde.lens import projecting
from sonde.lens.projecting import Projection


@pytest.mark.parametrize("name", ["gpt2", "llama", "gptj", "gemma2"])
def test_blocks_make_the_models_own_logits(name, monkeypatch):
    """A biased unembedding, a cap (which goes the model's own way), and a last block that is not full."""
    from tiny_families import build

    monkeypatch.setattr(projecting, "BLOCK", 7)
    model = sonde.Model(build(name))
    projection = Projection(model)
    assert (projection._unembed is None) == (name == "gemma2")
    for seed, n in ((0, 9), (1, 3), (2, 12)):
        states = torch.randn(n, model.d_model, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            assert torch.allclose(projection.logits(states), model.unembed(states), atol=1e-6)


def test_logits_last_until_the_call_after_the_next():
    from tiny_families import build

    model = sonde.Model(build("gpt2"))
    projection = Projection(model)
    first, second = torch.randn(2, 5, model.d_model, generator=torch.Generator().manual_seed(0))
    one, other = projection.logits(first), projection.logits(second)
    with torch.no_grad():
        assert torch.allclose(one, model.unembed(first), atol=1e-6) and torch.allclose(other, model.unembed(second), atol=1e-6)
    third = projection.copied(other)
    assert third.data_ptr() == one.data_ptr() and torch.equal(third, other) and third.data_ptr() != other.data_ptr()


def test_a_hooked_unembedding_is_asked_itself():
    from tiny_families import build

    model = sonde.Model(build("gpt2"))
    model.module.get_submodule(model.architecture.unembed).register_forward_hook(lambda module, args, output: output + 1)
    assert Projection(model)._unembed is None
