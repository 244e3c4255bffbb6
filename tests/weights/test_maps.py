"""Maps of every family give what its own modules compute at a token: what heads add, the score, the MLP and the logits.

All biases are zero here, so that nothing is left out of the maps but the scales of norms, which are divided by.
"""

import functools

import pytest
import torch
from tiny_families import DECODERS, build
from tiny_models import bare

import sonde
from sonde.results import InputError, SiteUnavailable
from sonde.weights import embedding, mlp, ov, qk, unembedding

ROW = [3, 17, 5, 29, 8, 11, 2]
NORMED = ("gemma2", "gemma3", "gemma3-images", "olmo2", "olmo3", "phi-normed", "qwen3")  # queries and keys are normed, or scores capped
UNSEEN = ("bloom", "gptj", "falcon", "falcon-sequential", "falcon-grouped")  # show no rotated queries
NATIVE = ("native", "native-gated", "native-attention")


@functools.cache
def model(family):
    module = bare(family) if family in NATIVE else build(family)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if name.endswith("bias"):
                weight.zero_()
    return sonde.load(module)


def divided(run, value, site):
    """What maps read: the stream over the scale of its norm."""
    return run[value].flatten(0, 1) / run[site].flatten()[:, None] if site and site in run else run[value].flatten(0, 1)


def run(family):
    wanted = ["resid_pre", "resid_mid", "resid_post", "attn.norm.scale", "mlp.norm.scale", "attn.post_norm.scale", "mlp.post_norm.scale"]
    wanted += ["attn.out", "mlp.out", *(["attn.scores"] if family != "falcon-alibi" else [])]
    sites = [f"blocks.{i}.{name}" for i in (0, 1) for name in wanted] + ["final_norm.scale"]
    return model(family).run([ROW], read=[site for site in sites if site in model(family).architecture.sites])


def close(found, wanted):
    return torch.allclose(found, wanted, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize("family", [*DECODERS, *NATIVE])
def test_ov_is_what_heads_add(family):
    """The first position sees nothing but itself: what attention adds there, before a norm of its own divides it, is the sum of all heads' maps."""
    found = run(family)
    post = model(family).architecture.law == "post"
    read = divided(found, "blocks.1.resid_pre", "" if post else "blocks.1.attn.norm.scale")[0]
    added = found["blocks.1.attn.out"][0, 0]
    if "blocks.1.attn.post_norm.scale" in found:
        added = added * found["blocks.1.attn.post_norm.scale"][0, 0]
    maps = ov(model(family), 1)
    assert maps.shape == (4, 16, 16) and close(read @ maps.dense().sum(0), added)


@pytest.mark.parametrize("family", [*[name for name in DECODERS if name not in (*NORMED, "falcon-alibi")], *NATIVE])
def test_qk_is_the_score(family):
    found = run(family)
    post = model(family).architecture.law == "post"
    read = divided(found, "blocks.1.resid_pre", "" if post else "blocks.1.attn.norm.scale")
    scores = found["blocks.1.attn.scores"][0]
    assert close(read[0] @ qk(model(family), 1).dense() @ read[0], scores[:, 0, 0])
    if family in UNSEEN:
        with pytest.raises(SiteUnavailable, match="q_rot"):
            qk(model(family), 1, distance=2)
        return
    for query, key in ((4, 2), (6, 5)):
        apart = qk(model(family), 1, distance=query - key).dense()
        if (scores[:, query, key] > -1e4).all():  # not hidden by a sliding window
            assert close(read[query] @ apart @ read[key], scores[:, query, key])


@pytest.mark.parametrize("family", NORMED)
def test_scores_that_are_no_product_are_refused(family):
    with pytest.raises(SiteUnavailable, match="no product of queries and keys"):
        qk(model(family), 1)


@pytest.mark.parametrize("family", [*DECODERS, "native", "native-gated"])
def test_an_mlp_is_linear_at_a_token(family):
    found, arch = run(family), model(family).architecture
    stream, norm = ("resid_pre", "attn") if arch.law == "parallel" else ("resid_mid", "mlp")
    norm = "mlp" if "blocks.1.mlp.norm.scale" in arch.sites else norm
    read = divided(found, f"blocks.1.{stream}", "" if arch.law == "post" else f"blocks.1.{norm}.norm.scale")[4]
    added = found["blocks.1.mlp.out"][0, 4]
    if "blocks.1.mlp.post_norm.scale" in found:
        added = added * found["blocks.1.mlp.post_norm.scale"][0, 4]
    at = mlp(model(family), 1, [ROW], pos=4)
    assert close(read @ at.dense(), added)
    assert not close(read @ mlp(model(family), 1, [ROW], pos=2).dense(), added)  # at another token the slopes are others


@pytest.mark.parametrize("family", [*DECODERS, *NATIVE])
def test_logits_and_embeddings(family):
    found, arch = run(family), model(family).architecture
    logits = found.logits[0]
    logits = arch.softcap * torch.atanh(logits / arch.softcap) if arch.softcap else logits
    stream = divided(found, "blocks.1.resid_post", "final_norm.scale")
    assert close(stream @ unembedding(model(family)).dense(), logits - logits.mean(-1, keepdim=True))
    rows = embedding(model(family), scaled=False).rows(ROW)
    silent = [sonde.Zero("pos_embed")] if "pos_embed" in arch.sites else []
    bare_run = model(family).run([[token] for token in ROW], read=["blocks.0.resid_pre", *(["blocks.0.attn.norm.scale"] if arch.law != "post" and
        "blocks.0.attn.norm.scale" in arch.sites else [])], edits=silent, logits=False)  # fmt: skip
    assert close(rows, bare_run["blocks.0.resid_pre"][:, 0])
    assert close(embedding(model(family)).rows(ROW), divided(bare_run, "blocks.0.resid_pre", "blocks.0.attn.norm.scale"))


def test_what_is_left_out_is_said():
    biased = sonde.load(bare("gpt2"))
    notes = (embedding(biased) @ ov(biased, 0) @ unembedding(biased)).notes
    assert "biases are left out" in notes and any("centring folded in, its division by a scale left out" in note for note in notes)
    assert any("bias of the norm before attention" in note for note in notes)
    assert not any("bias" in note for note in ov(model("gpt2"), 0).notes)
    assert any("the cap of logits at 3" in note for note in unembedding(model("gemma2")).notes)
    assert any("positions are left out" in note for note in qk(biased, 0).notes)
    assert any("after the sum" in note for note in ov(model("opt-post"), 0).notes)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ov(model("gpt2"), 2), "no block 2: .* has 2"),
        (lambda: ov(sonde.load(torch.nn.Linear(2, 2)), 0), "no family whose parts have names"),
        (lambda: qk(model("llama"), 0, distance=12), "from 0 to 11"),
        (lambda: qk(model("llama"), 0, distance=-1), "from 0 to 11"),
        (lambda: mlp(model("gpt2"), 0, [[1, 2], [3, 4]]), "one row; 2 rows"),
        (lambda: mlp(model("native-attention"), 0, [[1, 2]]), "no MLPs"),
        (lambda: unembedding(sonde.load(torch.nn.Linear(2, 2))), "no unembedding"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises((InputError, SiteUnavailable), match=message):
        make()
