"""What went wrong in other libraries, each as a test on every family: its users' threads are the best list of what can be silently false.

Threads are cited as owner/repository#number; TransformerLens is TransformerLensOrg's, nnsight ndif-team's, SAELens decoderesearch's. Further ones
stand beside the tests of their theme: hooks and memory in test_leaks.py, messages in test_mistakes.py, what must not matter in test_invariances.py,
edits that never happen in test_matrix.py.
"""

import pytest
import torch
from matrix import given, subject
from subjects import DECODER_SUBJECTS as SUBJECTS
from subjects import subject_model
from tiny_models import LogitDifference, logits_of
from torch import nn
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import sonde
from sonde.access import kernels

pytestmark = pytest.mark.usefixtures("unchecked")

close = {"atol": 2e-5, "rtol": 2e-5}
every_family = pytest.mark.parametrize("family", SUBJECTS)


def has(model, *names):
    return all(name in model.architecture.sites for name in names)


# right name, wrong tensor


@every_family
def test_what_is_called_an_output_is_what_the_stream_receives(family):
    """TransformerLens#1639 (BLOOM's attention output held the residual already) and #1648 (OLMo 2 and Granite: the raw output before its norm)."""
    base = subject(family).base
    model = subject_model(family)
    if model.architecture.law == "post":
        pytest.skip("a norm stands on the stream itself: proof.py holds the law")
    for i in range(model.n_layers):
        b = f"blocks.{i}."
        added = base[f"{b}attn.out"] + (base[f"{b}mlp.out"] if has(model, f"{b}mlp.out") else 0)
        assert torch.allclose(base[f"{b}resid_pre"] + added, base[f"{b}resid_post"], **close)


@every_family
def test_what_is_called_an_input_is_what_the_module_reads(family):
    """TransformerLens#1317 (an alias fired after the norm instead of before it, with equal names and shapes), #1796, #747 and #1002 (hooks of norms
    that mean one thing in a LayerNorm and another in an RMSNorm): here an input is what the module itself is called with, in every family.
    """
    model, inputs = subject_model(family), given(subject_model(family), 1)
    for part in ("attn", "mlp"):
        site = f"blocks.1.{part}.in"
        if not has(model, site):
            continue
        seen = []
        path = model.locate(site).point.module
        keep = lambda module, args, kwargs, seen=seen: seen.append(args[0] if args else kwargs["hidden_states"])
        handle = model.module.get_submodule(path).register_forward_pre_hook(keep, with_kwargs=True)
        run = model.run(inputs, read=site)
        handle.remove()
        assert torch.equal(run[site].flatten(), seen[-1].flatten())  # OPT folds rows and positions into one axis


@every_family
def test_both_ends_of_every_module_have_a_name(family):
    """decoderesearch/interp-engine#25: a mapper accepted `hook_out` and refused `hook_in`. A module that the forward calls has both."""
    model, inputs = subject_model(family), given(subject_model(family), 1)
    path = model.architecture.blocks + ".1"
    run = model.run(inputs, read=[f"{path}:in", f"{path}:out", "blocks.1.resid_pre", "blocks.1.resid_post"])
    assert torch.equal(run[f"{path}:in"], run["blocks.1.resid_pre"])
    assert torch.equal(run[f"{path}:out"], run["blocks.1.resid_post"])


@every_family
def test_a_head_is_a_head_before_the_output_projection(family):
    """A recipe in nnsight's documentation (0.7.0) reshapes attention's output into "heads", after the projection has mixed them;
    stanfordnlp/pyvene#158: heads were right on GPT-2 only. Taking a head's z away takes away its result, and nothing else of attention's output.
    """
    model, inputs = subject_model(family), given(subject_model(family), 1)
    if not has(model, "blocks.0.attn.result"):
        assert model.architecture.why_not("blocks.0.attn.result")
        return
    site = "blocks.0.attn.result"
    read = [site, model.locate(site).point.module + ":out"]
    base = model.run(inputs, read=read)
    for head in range(model.n_heads):
        run = model.run(inputs, edits=[sonde.Zero(f"blocks.0.attn.z[head={head}]")], read=read)
        assert torch.allclose(base[read[1]] - run[read[1]], base[site][:, :, head], **close)
        direct = model.run(inputs, edits=[sonde.Zero(f"{site}[head={head}]")])
        assert torch.allclose(direct.logits, run.logits, **close)


@every_family
def test_keys_and_values_that_several_heads_share_can_be_patched_by_head(family):
    """TransformerLens#980: patching key or value heads crashed where query heads share them; #519 and #558: so did splitting their inputs."""
    model = subject_model(family)
    source = model.run(given(model, 2), read=["blocks.1.attn.k", "blocks.1.attn.v"])
    for part in "kv":
        site = f"blocks.1.attn.{part}"
        axis = model.architecture.sites[site].axes[2]
        for head in range(source[site].shape[2]):
            edit = sonde.Patch(f"{site}[{axis}={head}]", source)
            run = model.run(given(model, 1), edits=[edit], read=site)
            assert torch.equal(run[f"{site}[{axis}={head}]"], source[site][:, :, head])
    assert {model.architecture.sites[f"blocks.1.attn.{part}"].axes[2] for part in "kv"} == {
        "head" if model.architecture.n_kv_heads == model.n_heads else "kv_head"
    }


@every_family
def test_scores_are_what_queries_make_of_keys_after_rotation(family):
    """TransformerLens#385 (Pythia's rotation off by 0.1), #693 (Gemma 2), #683 (Qwen): only the model's own rotation gives the model's scores."""
    model, base = subject_model(family), subject(family).base
    if not has(model, "blocks.0.attn.q_rot") or family in CAPPED:
        pytest.skip("no rotated queries by name, or scores that are capped")
    for i in range(model.n_layers):
        query, key = base[f"blocks.{i}.attn.q_rot"], base[f"blocks.{i}.attn.k_rot"]
        raw = torch.einsum("bqhe,bkhe->bhqk", query, key.repeat_interleave(model.n_heads // key.shape[2], 2))
        scores = base[f"blocks.{i}.attn.scores"]
        allowed = scores > -1e30
        ratio = (scores[allowed] * raw[allowed]).sum() / raw[allowed].square().sum()  # the family's own scaling
        assert torch.allclose(scores[allowed], ratio * raw[allowed], **close)


CAPPED = ("gemma2",)


# silent nothing


@every_family
def test_an_edited_norm_scale_is_felt_and_lets_gradients_pass(family):
    """TransformerLens#1526 and #1527: what hooks on a norm's scale returned was thrown away on the native path, and no gradient reached them."""
    model, inputs = subject_model(family), given(subject_model(family), 1)
    scales = [name for name in model.architecture.sites if name.endswith("norm.scale") and not name.startswith("embed")]
    base = model.run(inputs, read=scales)
    metric = LogitDifference()
    for name in scales:
        # another factor at every position: a family that norms its outputs, queries and keys too does not feel one factor for all, and is right
        factor = torch.linspace(1.0, 3.0, base[name].shape[-1])
        run = model.run(inputs, edits=[sonde.Scale(name, factor)], read=name)
        assert torch.allclose(run[name], factor * base[name])
        assert not torch.allclose(run.logits, base.logits, atol=1e-4), name
        assert (model.grad(inputs, metric, at=name)[name] != 0).any(), name


@every_family
def test_what_a_family_has_not_is_refused_not_empty(family):
    """TransformerLens#1688: hooks on points behind a flag were accepted and never fired; the cache was empty."""
    model = subject_model(family)
    for name in model.architecture.unavailable:
        wanted = name if name in ("pos_embed", "embed.norm.scale") or name.startswith("final_norm") else f"blocks.0.{name}"
        with pytest.raises(sonde.SondeError, match="does not exist in this"):
            model.run(given(model, 1), read=wanted)
        with pytest.raises(sonde.SondeError, match="does not exist in this"):
            model.run(given(model, 1), edits=[sonde.Zero(wanted)])


def test_no_argument_is_swallowed(model, ids):
    """TransformerLens#1680: `incl_bwd=True` fell through to a forward that drops what it does not know; `pos_slice` likewise."""
    for verb in (model.run, model.grad, model.sweep, model.generate):
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            verb(ids, incl_bwd=True)


def test_a_selection_along_positions_never_means_rows(model, ids):
    """The same thread: a slice of positions cut the batch of tensors with two axes."""
    for name, spec in model.architecture.sites.items():
        if "pos" in spec.axes and spec.axes[0] == "batch" and not name.startswith("blocks.1"):
            run = model.run(ids, read=[f"{name}[pos=2:4]", name])
            assert torch.equal(run[f"{name}[pos=2:4]"], run[name][:, 2:4]) or name.endswith("attn.result"), name


def test_a_patch_holds_what_its_run_held(model, ids):
    """nnsight#143: values that were never saved were patched in, as nothing, in silence. Here the source is asked when the edit is made."""
    source = model.run(ids.flip(1), read="blocks.0.resid_post")
    with pytest.raises(sonde.SondeError, match="was not read in this run"):
        sonde.Patch("blocks.1.resid_post", source)
    edit = sonde.Patch("blocks.0.resid_post", source)
    assert torch.equal(model.run(ids, edits=[edit], read=edit.site)[edit.site], source[edit.site])


def test_places_may_be_named_in_any_order(model, ids):
    """nnsight#468 and #472: values had to be asked for in the order in which they are computed; out of order, nothing came and nothing was said."""
    names = ["logits", "blocks.1.attn.z", "embed", "blocks.0.resid_post"]
    forwards, backwards = model.run(ids, read=names), model.run(ids, read=names[::-1])
    late_then_early = [sonde.Scale("blocks.1.attn.z", 0.5), sonde.Add("embed", 0.2)]
    assert all(torch.equal(forwards[name], backwards[name]) for name in names)
    assert torch.equal(model.run(ids, edits=late_then_early).logits, model.run(ids, edits=late_then_early[::-1]).logits)


# the kernel and its mask


@every_family
def test_a_recorded_forward_does_not_look_ahead(family):
    """interp-engine (attn_scores.py): a function in transformers' attention registry without its entry in the registry of masks gets no mask."""
    model = subject_model(family)
    assert not looks_ahead(model, read=["blocks.0.attn.scores"])
    assert not looks_ahead(model, edits=[sonde.Scale("blocks.0.attn.pattern", 0.5)])


@every_family
def test_control_without_its_mask_entry_it_does(family, monkeypatch):
    model = subject_model(family)
    if type(model.architecture.kernel) is not kernels.TransformersKernel:
        pytest.skip("this family does not ask the registry for its attention")
    model.run([[1, 2]], read="blocks.0.attn.scores")  # both entries are there now
    monkeypatch.setattr(kernels, "NAME", "sonde_unmasked")
    ALL_ATTENTION_FUNCTIONS.register("sonde_unmasked", kernels.recording)
    ALL_MASK_ATTENTION_FUNCTIONS.register("sonde_unmasked", lambda *args, **kwargs: None)
    assert looks_ahead(model, read=["blocks.0.attn.scores"])


def looks_ahead(model, **kwargs):
    """Whether the logits before the last token depend on it."""
    first, second = (model.run([[3, 1, 4, 1, last]], **kwargs).logits[:, :-1] for last in (5, 9))
    return not torch.allclose(first, second, atol=1e-6)


def test_the_pattern_is_found_by_what_it_is_not_by_a_line_number(monkeypatch):
    """ndif-team/nnterp#58: labels that count the operations of a forward shifted with a version of transformers. The softmax is found where it is
    called, also when the code around it is another.
    """
    from transformers.models.llama import modeling_llama

    model, own = subject_model("llama"), modeling_llama.eager_attention_forward
    before = model.run([[1, 2, 3]], read="blocks.0.attn.pattern")

    def longer(module, query, key, value, attention_mask, *args, **kwargs):
        query = (query * 1.0).contiguous() + 0.0
        return own(module, query, key.clone(), value, attention_mask, *args, **kwargs)

    monkeypatch.setattr(modeling_llama, "eager_attention_forward", longer)
    assert torch.equal(model.run([[1, 2, 3]], read="blocks.0.attn.pattern")["blocks.0.attn.pattern"], before["blocks.0.attn.pattern"])


# hooks and gradients


def test_hooks_of_others_outlive_every_verb(model, ids, metric):
    """TransformerLens#1636 and #1638: a helper's cleaning up took away hooks that were there before, and later runs were silently unedited."""
    block = model.block(0)
    counts = {"forward": 0, "backward": 0}

    def count(kind):
        counts[kind] += 1

    handles = [block.register_forward_hook(lambda *args: count("forward")), block.register_full_backward_hook(lambda *args: count("backward"))]
    before = [len(block._forward_hooks), len(block._backward_hooks)]
    model.run(ids, read=["blocks.0.resid_pre", "blocks.0.resid_post"], edits=[sonde.Scale("blocks.0.resid_post", 1.0)])
    model.grad(ids, metric, at="blocks.0.resid_pre")
    model.sweep(ids, [sonde.Zero("blocks.0.resid_post")], metric)
    with model.edited(sonde.Zero("blocks.0.resid_post")):
        logits_of(model.module, ids)
    assert [len(block._forward_hooks), len(block._backward_hooks)] == before
    assert counts["forward"] >= 4
    assert counts["backward"] == 1
    for handle in handles:
        handle.remove()


def test_contexts_may_be_left_in_any_order(model, ids):
    """SAELens#278: what was attached first was taken off first, and the ablation stayed in the model."""
    bare = logits_of(model.module, ids)
    outer, inner = model.edited(sonde.Zero("blocks.0.attn.z[head=0]")), model.edited(sonde.Zero("blocks.1.attn.z[head=1]"))
    outer.__enter__()
    inner.__enter__()
    logits_of(model.module, ids)
    outer.__exit__(None, None, None)
    assert torch.equal(logits_of(model.module, ids), model_under(model, ids, "blocks.1.attn.z[head=1]"))
    inner.__exit__(None, None, None)
    assert torch.equal(logits_of(model.module, ids), bare)


def model_under(model, ids, site):
    """The logits under one edit, made by hand."""
    z = model.locate("blocks.1.attn.z")

    def hook(module, args):
        heads = args[0].unflatten(-1, (model.n_heads, -1)).clone()
        heads[:, :, 1] = 0
        return (heads.flatten(-2), *args[1:])

    handle = model.module.get_submodule(z.point.module).register_forward_pre_hook(hook)
    logits = logits_of(model.module, ids)
    handle.remove()
    return logits


def test_gradients_are_those_of_the_bare_module(model, ids, metric):
    """TransformerLens#1680: asked for gradients, it gave a cache without any and said nothing."""
    seen = []
    handle = model.block(1).register_forward_pre_hook(lambda module, args: seen.append(args[0]) or args[0].retain_grad(), prepend=True)
    output = model.module(ids)
    handle.remove()
    logits = output if isinstance(output, torch.Tensor) else output.logits
    (logits[:, -1, 3] - logits[:, -1, 5]).sum().backward()
    assert torch.allclose(model.grad(ids, metric, at="blocks.1.resid_pre")["blocks.1.resid_pre"], seen[0].grad, **close)
    model.module.zero_grad(set_to_none=True)


# what is kept


def test_a_cache_holds_the_named_sites_and_no_more(model, ids):
    """TransformerLens#807 and #784, AttentionLens#5, nnsight#396: memory for what nobody asked for. Everything a run holds is named."""
    names = ["blocks.1.attn.z", "blocks.0.mlp.post" if has(model, "blocks.0.mlp.post") else "embed"]
    run = model.run(ids, read=names, logits="last")
    held = {id(value.untyped_storage()): value.untyped_storage().nbytes() for _, value in run.items()}
    expected = sum(run[name].numel() * run[name].element_size() for name in names)
    assert sum(held.values()) == expected


def test_reading_copies_nothing(model, ids):
    """The same: two names of one tensor are one tensor."""
    run = model.run(ids, read=["blocks.0.resid_post", "blocks.1.resid_pre"])
    assert run["blocks.0.resid_post"].data_ptr() == run["blocks.1.resid_pre"].data_ptr()


class Twice(nn.Module):
    """A module that is called twice in a forward."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        return self.layer(self.layer(x))


def test_a_name_for_two_tensors_is_refused():
    """TransformerLens#335: a norm that ran three times kept the last value only, under the one name."""
    with pytest.raises(sonde.SondeError, match="runs more than once in a forward"):
        sonde.Model(Twice()).run(torch.ones(2, 3), read="layer:out")
