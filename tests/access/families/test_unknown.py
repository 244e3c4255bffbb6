"""Language models of no known family: by path, with the stream between blocks where it is one, and the rest refused by name."""

import pytest
import tiny_families
import torch
from tiny_models import VOCAB, logits_of

import sonde
from sonde.results import SiteUnavailable


@pytest.fixture
def ids():
    return torch.randint(VOCAB, (2, 7), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "name, reason",
    [
        ("mixtral", r"its MLPs are mixtures of experts \(MixtralSparseMoeBlock\)"),
        ("qwen2_moe", r"its MLPs are mixtures of experts \(Qwen2MoeSparseMoeBlock\)"),
        ("mamba", r"its blocks mix positions by MambaBlock, not \(or not only\) by attention"),
        ("recurrent_gemma", r"its blocks mix positions by RecurrentGemmaRecurrentBlock"),
        ("granite", "sonde does not know this family"),
    ],
)
def test_refused_by_name_and_served_by_path(name, reason, ids):
    module = tiny_families.build(name)
    model = sonde.Model(module)
    for site in ("blocks.0.attn.z", "blocks.*.mlp.post", "embed", "final_norm"):
        with pytest.raises(SiteUnavailable, match=rf"{reason}.*; name the inputs and outputs of its modules instead, such as '[a-z.]*layers.0:out'"):
            model.run(ids, read=site)
    streams = [f"blocks.{i}.resid_{end}" for i in range(2) for end in ("pre", "post")]
    path = f"{model.architecture.blocks}.1:out"
    run = model.run(ids, read=[*streams, path, "logits"])
    assert torch.equal(run.logits, logits_of(module, ids))
    assert torch.equal(run["logits"], run.logits) and run.notes == ()
    with pytest.raises(SiteUnavailable, match=f"has no unembedding with a name: {reason}"):
        model.unembed(run["blocks.1.resid_post"])
    assert torch.equal(run["blocks.0.resid_post"], run["blocks.1.resid_pre"])
    assert torch.equal(run["blocks.1.resid_post"], run[path])
    for site in streams:
        edited = model.run(ids, edits=[sonde.Add(f"{site}[pos=2]", 1.0)])
        assert not torch.allclose(edited.logits[:, 2:], run.logits[:, 2:], atol=1e-4)
    sweep = model.sweep(ids, [sonde.Zero(site) for site in streams], lambda run: run.logits[:, -1, 3])
    assert torch.allclose(sweep.values[2], model.run(ids, edits=[sonde.Zero(streams[2])]).logits[:, -1, 3], atol=1e-5)


def test_a_stream_that_is_changed_between_blocks_is_not_offered(ids):
    """RWKV halves its hidden state after every few blocks, outside of them."""
    model = sonde.Model(tiny_families.build("rwkv"))
    assert model.run(ids, read="blocks.0.resid_post")["blocks.0.resid_post"].shape == (2, 7, 16)
    for site in ("blocks.1.resid_post", "blocks.2.resid_pre"):
        with pytest.raises(SiteUnavailable, match="is not what it says in this model: resid_post = resid_pre of the next block"):
            model.run(ids, read=site)


def test_the_longest_list_of_like_modules_is_the_stack():
    from torch import nn

    from sonde.access.architectures.unknown import stack

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.ModuleDict({"experts": nn.ModuleList(nn.Linear(2, 2) for _ in range(9))}) for _ in range(3))
            self.heads = nn.ModuleList([nn.Linear(2, 2), nn.ReLU(), nn.ReLU(), nn.ReLU()])

    assert stack(Net()) == ("layers", 3)
    assert stack(nn.Linear(2, 2)) == ("", 0)


def test_a_module_of_the_users_own_is_no_language_model_of_transformers():
    from types import SimpleNamespace

    from torch import nn

    module = nn.Sequential(nn.Linear(3, 3))
    module.config = SimpleNamespace(vocab_size=3)
    assert sonde.Model(module).run(torch.ones(1, 3), read="0:out")["0:out"].shape == (1, 3)
