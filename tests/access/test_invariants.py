"""What the sites promise, as equations between them, computed from the weights and not by the code under test."""

import copy

import pytest
import torch
from tiny_models import HEADS, LAYERS, bare, logits_of

import sonde

close = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture
def read(model, ids):
    """Every site of the vocabulary at once."""
    return model.run(ids, read=list(model.architecture.sites))


def has(model, name):
    return name in model.architecture.sites


def weight_of(model, name):
    """A projection's weight as (in, out) and its bias."""
    module = model.module.get_submodule(model.locate(name).point.module)
    weight = module.weight if type(module).__name__ == "Conv1D" else module.weight.T
    return weight.detach(), module.bias.detach() if module.bias is not None else 0


def test_an_unedited_run_is_the_bare_module_bit_for_bit(model, ids):
    """transformer-lens #693, #685, #223, #615, #385 and #683 report logits that drift from the model's own."""
    assert torch.equal(model.run(ids).logits, logits_of(model.module, ids))
    hooked = [name for name, spec in model.architecture.sites.items() if spec.point.port in ("in", "out")]
    assert torch.equal(model.run(ids, read=hooked).logits, logits_of(model.module, ids))


def test_reading_scores_changes_the_logits_by_rounding_only(read, model, ids):
    assert torch.allclose(read.logits, logits_of(model.module, ids), **close)
    assert read.kernel == "eager"


def test_loading_changes_nothing(loaded, ids):
    for family, model in loaded.items():
        assert torch.equal(model.run(ids).logits, logits_of(bare(family), ids))


def test_shapes_follow_the_axes(read, model):
    sizes = {"batch": 2, "pos": 7, "query": 7, "key": 7, "head": HEADS, "kv_head": model.architecture.n_kv_heads, "vocab": model.architecture.d_vocab}
    sizes |= {"d_model": model.d_model, "d_head": model.architecture.d_head, "d_mlp": model.architecture.d_mlp}
    for name, spec in model.architecture.sites.items():
        assert read[name].shape == tuple(sizes[axis] for axis in spec.axes), name
        assert read.axes(name) == spec.axes


def test_the_residual_stream_is_a_sum(read, model):
    """bloom in transformer-lens #1639: attention's output already held the residual."""
    stream = read["embed"] + (read["pos_embed"] if has(model, "pos_embed") else 0)
    for i in range(LAYERS):
        assert torch.equal(read[f"blocks.{i}.resid_pre"], stream)
        assert torch.equal(read[f"blocks.{i}.resid_mid"], stream + read[f"blocks.{i}.attn.out"])
        stream = read[f"blocks.{i}.resid_mid"] + (read[f"blocks.{i}.mlp.out"] if has(model, f"blocks.{i}.mlp.out") else 0)
        assert torch.equal(read[f"blocks.{i}.resid_post"], stream)


def test_attention_is_the_softmax_of_scores_times_values(read, model):
    groups = HEADS // model.architecture.n_kv_heads
    allowed = torch.ones(7, 7, dtype=torch.bool).tril()
    for i in range(LAYERS):
        at = lambda part, i=i: read[f"blocks.{i}.attn.{part}"]
        query, key, value = at("q_rot"), at("k_rot").repeat_interleave(groups, 2), at("v").repeat_interleave(groups, 2)
        raw = torch.einsum("bqhe,bkhe->bhqk", query, key) / model.architecture.d_head**0.5
        assert torch.allclose(at("scores")[..., allowed], raw[..., allowed], **close)
        assert (at("scores")[..., ~allowed] < -1e30).all()
        assert torch.allclose(at("pattern"), raw.masked_fill(~allowed, -torch.inf).softmax(-1), **close)
        assert torch.allclose(at("z"), torch.einsum("bhqk,bkhe->bqhe", at("pattern"), value), **close)


def test_rotation_keeps_lengths_and_turns_all_but_the_first(read, model):
    rotates = "rotation" in model.architecture.unavailable.get("pos_embed", "")
    for part in ("q", "k"):
        before, after = read[f"blocks.0.attn.{part}"], read[f"blocks.0.attn.{part}_rot"]
        assert torch.allclose(before.norm(dim=-1), after.norm(dim=-1), **close)
        assert torch.allclose(before[:, 0], after[:, 0], **close)
        assert torch.allclose(before[:, 1:], after[:, 1:], **close) != rotates


def test_projections_are_the_models_own(read, model):
    for i in range(LAYERS):
        b = f"blocks.{i}."
        for part in "qkv":
            weight, bias = weight_of(model, f"{b}attn.{part}")
            flat = read[f"{b}attn.in"] @ weight + bias
            start = model.locate(f"{b}attn.{part}").view.start
            width = read[f"{b}attn.{part}"][0, 0].numel()
            assert torch.allclose(read[f"{b}attn.{part}"].flatten(2), flat[..., start : start + width], **close)
        if has(model, f"{b}mlp.out"):
            weight, bias = weight_of(model, f"{b}mlp.post")
            assert torch.allclose(read[f"{b}mlp.post"] @ weight + bias, read[f"{b}mlp.out"], **close)
            weight, bias = weight_of(model, f"{b}mlp.pre")
            assert torch.allclose(read[f"{b}mlp.in"] @ weight + bias, read[f"{b}mlp.pre"], **close)
        if has(model, f"{b}mlp.gate"):
            gated = torch.nn.functional.silu(read[f"{b}mlp.gate"]) * read[f"{b}mlp.pre"]
            assert torch.allclose(gated, read[f"{b}mlp.post"], **close)


def test_heads_results_sum_to_attentions_output(read, model):
    """transformer-lens and nnsight recipes take heads after the output projection, where there are none."""
    for i in range(LAYERS):
        site = f"blocks.{i}.attn.result"
        weight, bias = weight_of(model, site)
        assert torch.allclose(read[site].sum(2) + bias, read[f"blocks.{i}.attn.out"], **close)
        d_head = model.architecture.d_head
        for head in range(HEADS):
            one = read[f"blocks.{i}.attn.z"][:, :, head] @ weight[head * d_head : (head + 1) * d_head]
            assert torch.allclose(read[f"{site}[head={head}]"], one, **close)
        assert torch.allclose(read[f"{site}[head=[2,0], pos=-1, d_model=3:5]"], read[site][:, -1][:, [2, 0]][..., 3:5], **close)


def test_norms_divide_by_their_scale(read, model):
    spots = [("attn.norm.scale", "resid_pre", "attn.in"), ("mlp.norm.scale", "resid_mid", "mlp.in")]
    cases = [(f"blocks.{i}.{scale}", f"blocks.{i}.{entering}", f"blocks.{i}.{out}") for i in range(LAYERS) for scale, entering, out in spots]
    cases.append(("final_norm.scale", f"blocks.{LAYERS - 1}.resid_post", "final_norm"))
    for scale, entering, out in cases:
        if not has(model, scale):
            assert "norm" in scale and model.architecture.why_not(scale)
            continue
        norm = model.module.get_submodule(model.locate(scale).point.module)
        hidden, bias = read[entering], getattr(norm, "bias", None)
        hidden = hidden - hidden.mean(-1, keepdim=True) if isinstance(norm, torch.nn.LayerNorm) else hidden
        expected = hidden / read[scale].unsqueeze(-1) * norm.weight.detach() + (0 if bias is None else bias.detach())
        assert torch.allclose(expected, read[out], **close)


def test_the_unembedding_reads_the_final_norm(read, model):
    unembed = model.module.get_submodule(model.architecture.unembed).weight.detach()
    assert torch.allclose(read["final_norm"] @ unembed.T, read["logits"], **close)
    assert torch.equal(read["logits"], read.logits)
    assert torch.allclose(model.unembed(read[f"blocks.{LAYERS - 1}.resid_post"]), read.logits, **close)


def test_reading_all_or_one_gives_the_same(read, model, ids):
    """A recorded run and one under the model's own kernel differ by rounding; every site by itself, under the recorded kernel, is exact."""
    for name in model.architecture.sites:
        if name.startswith("blocks.0."):  # the other block stands for it
            continue
        alone = model.run(ids, read=[name, "blocks.0.attn.scores"], logits=False)[name]
        assert torch.equal(alone, read[name]), name


def test_half_precision_keeps_the_identities_to_its_own_rounding(model, ids):
    low = sonde.Model(bare_in(model, torch.bfloat16))
    read = low.run(ids, read=list(low.architecture.sites))
    assert torch.equal(low.run(ids).logits, logits_of(low.module, ids))
    for i in range(LAYERS):
        assert torch.equal(read[f"blocks.{i}.resid_mid"], read[f"blocks.{i}.resid_pre"] + read[f"blocks.{i}.attn.out"])
        summed = read[f"blocks.{i}.attn.result"].float().sum(2) + weight_of(low, f"blocks.{i}.attn.result")[1]
        assert torch.allclose(summed, read[f"blocks.{i}.attn.out"].float(), atol=0.05, rtol=0.05)
    assert read["blocks.0.attn.z"].dtype == torch.bfloat16
    assert read.logits.dtype == torch.bfloat16


def test_double_precision_stays_double(model, ids):
    high = sonde.Model(bare_in(model, torch.float64))
    read = high.run(ids, read=list(high.architecture.sites), edits=[sonde.Add("blocks.0.resid_post", 0.1)])
    plain = high.run(ids, read=["blocks.0.resid_post", "blocks.0.attn.scores"])["blocks.0.resid_post"]
    assert torch.allclose(read["blocks.0.resid_post"], plain + 0.1, atol=1e-13, rtol=0)  # 0.1 has not gone through float32
    assert {value.dtype for _, value in read.items()} <= {torch.float64, torch.float32}  # families take their softmax in float32
    assert read.logits.dtype == torch.float64


def bare_in(model, dtype):
    return copy.deepcopy(model.module).to(dtype)
