"""Attention kernels: recorded only while it is needed, restored always, and never at the price of the mask."""

import copy

import pytest
import torch
from tiny_families import build
from tiny_models import VOCAB, bare, logits_of
from torch import nn
from transformers import LlamaForCausalLM
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import sonde
from sonde.access import kernels
from sonde.results import SiteUnavailable


def leaks(model, **kwargs):
    """Whether the logits before the last token depend on it."""
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    other = torch.tensor([[3, 1, 4, 1, 9]])
    first, second = (model.run(given, **kwargs).logits[:, :-1] for given in (ids, other))
    return not torch.allclose(first, second, atol=1e-6)


def test_a_recorded_run_stays_causal(model):
    """interp-engine (attn_scores) met the same: a function without its mask entry gets no mask, and nothing tells."""
    assert not leaks(model, read="blocks.0.attn.scores")
    assert not leaks(model, edits=[sonde.Scale("blocks.0.attn.q_rot", 2.0)])


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_control_without_the_mask_entry_the_model_sees_ahead(loaded, monkeypatch, family):
    model = loaded[family]
    model.run([[1, 2]], read="blocks.0.attn.scores")  # both entries are there now
    monkeypatch.setattr(kernels, "NAME", "sonde_unmasked")
    ALL_ATTENTION_FUNCTIONS.register("sonde_unmasked", kernels.recording)
    ALL_MASK_ATTENTION_FUNCTIONS.register("sonde_unmasked", lambda *args, **kwargs: None)
    assert leaks(model, read="blocks.0.attn.scores")


def test_the_kernel_is_noted_and_the_models_own_is_kept(model, ids):
    run = model.run(ids)
    assert (run.kernel, run.notes) == ("sdpa", ())
    run = model.run(ids, read="blocks.0.attn.pattern")
    assert run.kernel == "eager"
    assert run.notes == ("attention kernel: eager, recorded, because scores or patterns are involved; the model's own is sdpa, equal to rounding",)
    assert model.run(ids, read=["blocks.0.attn.z", "blocks.0.attn.q"]).kernel == "sdpa"


def test_a_model_that_is_eager_by_itself_is_recorded_bit_for_bit(ids):
    for family in ("gpt2", "llama"):
        module = bare(family)
        module.set_attn_implementation("eager")
        model = sonde.Model(module)
        run = model.run(ids, read=["blocks.0.attn.scores", "blocks.1.attn.pattern"])
        assert torch.equal(run.logits, logits_of(module, ids))
        assert (run.kernel, run.notes) == ("eager", ())


def test_runs_that_are_compared_use_the_same_kernel(model, ids):
    """A patch from a recorded run makes the run recorded too; then patching a run into itself is exact."""
    source = model.run(ids, read=["blocks.1.attn.z", "blocks.0.attn.scores"])
    run = model.run(ids, edits=[sonde.Patch("blocks.1.attn.z", source)])
    assert run.kernel == "eager"
    assert torch.equal(run.logits, source.logits)
    sweep = model.sweep(ids, [sonde.Patch("blocks.1.attn.z", source), sonde.Zero("embed")], lambda run: run.logits[:, -1, 3])
    assert torch.equal(sweep.base, source.logits[:, -1, 3])
    fused = model.run(ids, read="blocks.1.attn.z")
    run = model.run(ids, edits=[sonde.Patch("blocks.1.attn.z", fused), sonde.Scale("blocks.0.attn.pattern", 1.0)])
    assert "a patch comes from a run under another attention kernel (sdpa): equal to rounding only" in run.notes


def test_two_models_that_share_a_configuration_do_not_disturb_each_other():
    """Setting the kernel of one changes the other, because transformers keeps it in the configuration."""
    first = bare("llama")
    second = LlamaForCausalLM(first.config).eval()
    assert second.config is first.config
    one, two = sonde.Model(first), sonde.Model(second)
    seen = []
    spy = sonde.Apply("blocks.0.attn.pattern", lambda pattern: seen.append(two.run([[5, 6, 7]], read="blocks.0.attn.z").logits) or pattern)
    one.run([[1, 2, 3]], edits=[spy])  # the other runs in the middle of this one
    assert torch.allclose(seen[0], logits_of(second, torch.tensor([[5, 6, 7]])), atol=1e-6)
    assert first.config._attn_implementation == "sdpa"


def test_submodules_with_configurations_of_their_own_are_restored():
    module = bare("llama")
    module.model.layers[1].self_attn.config = copy.deepcopy(module.config)
    module.model.layers[1].self_attn.config._attn_implementation_internal = "eager"
    run = sonde.Model(module).run([[1, 2, 3]], read=["blocks.0.attn.pattern", "blocks.1.attn.pattern"])
    assert run["blocks.1.attn.pattern"].shape == (1, 4, 3, 3)
    assert module.model.layers[1].self_attn.config._attn_implementation_internal == "eager"
    assert module.config._attn_implementation_internal == "sdpa"


def test_a_kernel_of_the_users_own_is_not_replaced_unseen():
    def halved(module, query, key, value, attention_mask, **kwargs):
        return ALL_ATTENTION_FUNCTIONS["sdpa"](module, query / 2, key, value, attention_mask, **kwargs)

    ALL_ATTENTION_FUNCTIONS.register("halved", halved)
    ALL_MASK_ATTENTION_FUNCTIONS.register("halved", ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
    module = bare("llama")
    module.set_attn_implementation("halved")
    model = sonde.Model(module)
    assert model.run([[1, 2]], read="blocks.0.attn.z").kernel == "halved"
    with pytest.raises(SiteUnavailable, match="attention kernel 'halved' is not one that the family's eager attention is known to equal"):
        model.run([[1, 2]], read="blocks.0.attn.pattern")
    assert module.config._attn_implementation == "halved"
    native = sonde.Model(bare("native"))
    native.module.blocks[0].attn.kernel = halved
    with pytest.raises(SiteUnavailable, match="attention kernel 'halved' is not one"):
        native.run([[1, 2]], read="blocks.0.attn.pattern")


def test_a_familys_own_scaling_is_in_the_scores():
    """GPT-2 may divide by the block's number too; scores come from the family's own code, not from a formula of ours."""
    module = bare("gpt2")
    module.config.scale_attn_by_inverse_layer_idx = True
    scaled = type(module)(module.config).eval()
    scaled.load_state_dict(module.state_dict())
    run = sonde.Model(scaled).run([[1, 2, 3, 4]], read=["blocks.1.attn.q", "blocks.1.attn.k", "blocks.1.attn.scores"])
    assert torch.allclose(run.logits, logits_of(scaled, torch.tensor([[1, 2, 3, 4]])), atol=1e-5)
    raw = torch.einsum("bqhe,bkhe->bhqk", run["blocks.1.attn.q"], run["blocks.1.attn.k"]) / 2 / 2
    seen = torch.ones(4, 4).tril().bool()
    assert torch.allclose(run["blocks.1.attn.scores"][..., seen], raw[..., seen], atol=1e-5)


def test_a_subclass_in_another_file_finds_its_familys_function():
    module = bare("llama")

    class MyAttention(type(module.model.layers[0].self_attn)):
        pass

    module.model.layers[0].self_attn.__class__ = MyAttention
    assert sonde.Model(module).run([[1, 2]], read="blocks.0.attn.pattern")["blocks.0.attn.pattern"].shape == (1, 4, 2, 2)


def test_attention_without_a_family_is_refused(ids):
    model = sonde.Model(nn.Sequential(nn.Embedding(VOCAB, 4)))
    with pytest.raises(sonde.SondeError, match=r"'blocks.0.attn.pattern' is no site of this model"):
        model.run(ids, read="blocks.0.attn.pattern")


def test_two_softmaxes_can_not_be_told_apart(monkeypatch):
    model = sonde.Model(bare("native"))

    def twice(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
        pattern = torch.softmax(query @ key.transpose(2, 3), -1)
        return (pattern.softmax(-1) @ value).transpose(1, 2), None

    monkeypatch.setattr("sonde.nn.transformer.eager_attention_forward", twice)
    with pytest.raises(SiteUnavailable, match=r"calls softmax 2 times|runs more than once"):
        model.run([[1, 2]], read="blocks.0.attn.q_rot")


def test_a_softmax_of_an_edits_own_is_not_the_models_attention():
    """GPT-J's attention is watched as a whole, with the edits inside it."""
    model = sonde.Model(build("gptj"))
    mixed = sonde.Apply("blocks.0.attn.z", lambda z: z + z.softmax(-1))
    run = model.run([[1, 2, 3]], edits=[mixed], read=["blocks.0.attn.pattern", "blocks.0.attn.z"])
    plain = model.run([[1, 2, 3]], read=["blocks.0.attn.pattern", "blocks.0.attn.z"])
    assert torch.equal(run["blocks.0.attn.pattern"], plain["blocks.0.attn.pattern"])
    z = plain["blocks.0.attn.z"]
    assert torch.equal(run["blocks.0.attn.z"], z + z.softmax(-1))


def test_a_kernel_that_disagrees_with_the_familys_own_is_refused():
    """transformers adds Falcon's bias twice in its eager attention and once in its fused one."""
    module = build("falcon-alibi")
    ids = torch.tensor([[1, 2, 3, 4]])
    fused = logits_of(module, ids)
    with pytest.raises(SiteUnavailable, match=r"attention kernel 'sdpa' is not one that the family's eager attention is known to equal \(eager\)"):
        sonde.Model(module).run(ids, read="blocks.0.attn.pattern")
    module.config._attn_implementation = "eager"
    assert not torch.allclose(logits_of(module, ids), fused, atol=1e-2)
    run = sonde.Model(module).run(ids, read="blocks.0.attn.pattern")
    assert torch.equal(run.logits, logits_of(module, ids))


@pytest.mark.parametrize("family", ["gptj", "bloom", "falcon"])
def test_watched_attention_is_left_as_it_was(family):
    """Also where the forward raises, or ends inside attention; transformers' registry does not reach these families."""
    module = build(family)
    model, ids, own = sonde.Model(module), torch.tensor([[1, 2, 3, 4]]), module.config._attn_implementation
    pattern = model.run(ids, read="blocks.0.attn.pattern", logits=False)["blocks.0.attn.pattern"]
    assert torch.allclose(pattern.sum(-1), torch.ones(1, 4, 4), atol=1e-6)

    def broken(_):
        raise KeyboardInterrupt

    for site in ("blocks.1.attn.pattern", "blocks.0.attn.z"):
        with pytest.raises(KeyboardInterrupt):
            model.run(ids, edits=[sonde.Apply(site, broken)], read="blocks.1.attn.scores")
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
        assert module.config._attn_implementation == own
        assert torch.equal(torch.softmax(torch.ones(2), 0), torch.full((2,), 0.5))  # no mode is left that would look at it
    assert torch.equal(model.run(ids).logits, logits_of(module, ids))


def test_watched_attention_does_not_look_ahead():
    model = sonde.Model(build("bloom"))
    assert not leaks(model, read="blocks.0.attn.pattern")
    assert leaks(model, edits=[sonde.Set("blocks.1.attn.pattern", 0.2)])
