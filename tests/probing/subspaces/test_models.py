"""The search and its test on language models of several shapes: what readers see is what their weights say."""

import functools

import pytest
import tiny_encoders
import torch
from tiny_families import build
from tiny_models import spread

import sonde
from sonde.bases import PCA, Subspace
from sonde.nn.charlstm import CharLSTM
from sonde.probing import Pairs, SearchConfig, das, illusion, readers_of
from sonde.probing.subspaces.placed import placed
from sonde.probing.subspaces.readers import reading
from sonde.results import InputError, SiteUnavailable

SEARCH = SearchConfig(steps=20, starts=1, lr=0.1)


@functools.cache
def handle(family):
    if family == "lstm":
        return sonde.load(spread(CharLSTM(40, 12)))
    return sonde.Model(tiny_encoders.build(family) if family == "bert" else build(family))


def pairs(family, n=48, length=5, seed=0):
    """Random rows; each answer is one of two tokens, of which the model prefers the one as often as the other."""
    ids = torch.randint(6, 30, (2, n, length), generator=torch.Generator().manual_seed(seed))
    rows = ids if family == "lstm" else [tuple(map(tuple, part)) for part in ids.tolist()]
    one, other = balanced(family)
    return Pairs(rows[0], rows[1], ((one,),) * n, ((other,),) * n, torch.arange(n))


@functools.cache
def balanced(family):
    """Two tokens of which the one is above the other as often as below."""
    logits = handle(family).run(torch.randint(6, 30, (64, 5), generator=torch.Generator().manual_seed(9))).logits_at(-1)
    above = (logits[:, :, None] > logits[:, None]).float().mean(0).fill_diagonal_(2)
    return divmod(int((above - 0.5).abs().argmin()), len(above))


@pytest.mark.parametrize(
    ("family", "site"),
    [("gpt2", "blocks.1.resid_post[pos=-1]"), ("llama", "blocks.1.resid_post[pos=-1]"), ("lstm", "unembed:in[pos=-1]")],
)
def test_where_the_answer_is_read_a_direction_is_found(family, site):
    model = handle(family)
    found = das(model, pairs(family, 96), site, config=SEARCH, draws=3)
    assert found.held.of("whole site") == 1 and found.accuracy > 0.5 and float(found.held.by_chance.mean()) < found.accuracy - 0.3
    test = illusion(model, pairs(family, 40, seed=1), site, found.subspace, ["unembed:out"] if family == "lstm" else None, draws=3)
    # twenty steps need not find enough of it; what they find is read
    assert test.outcome == ("not illusory" if test.swaps.of("the directions") >= 0.5 else "undecided")


def test_an_encoder_is_searched_too():
    model = handle("bert")
    site = next(name for name in model.site_names if name.endswith("1.resid_post"))
    found = das(model, pairs("bert"), f"{site}[pos=-1]", size=2, config=SearchConfig(steps=5, starts=1), draws=2)
    assert found.subspace.size == 2 and found.curves.shape == (1, 5)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma", "gpt_neox"])
def test_a_reader_behind_a_norm_is_its_weights_times_the_gain(family):
    model = handle(family)
    base = placed(model, pairs(family, 12), "blocks.0.resid_post[pos=-1]")
    whole = reading(base, ["blocks.1.attn.q"])
    norm = model.module.get_submodule(f"{model.architecture.blocks}.1.{model.architecture.attn_norm}")
    path, d = model.locate("blocks.1.attn.q").point.module, model.d_model
    eye, projection = torch.eye(d), model.module.get_submodule(path)
    with torch.no_grad():
        W = (projection(eye) - projection(torch.zeros(1, d))).T  # out, in
        if family in ("gpt2", "gpt_neox"):
            W = W[:d] if family == "gpt2" else W.view(4, 3, -1, d)[:, 0].reshape(-1, d)
        gain = norm.weight + (1 if family == "gemma" else 0)
        rows = W * gain
        if family in ("gpt2", "gpt_neox"):
            rows = rows - rows.mean(1, keepdim=True)  # the norm takes the mean away
    rank = int(torch.linalg.matrix_rank(rows, rtol=1e-4))
    assert len(whole.directions) == rank and torch.allclose(whole.seen(rows), rows, atol=1e-4)
    head = reading(base, ["blocks.1.attn.q[head=2]"])
    assert len(head.directions) == model.architecture.d_head and (family != "gpt2" or torch.allclose(head.seen(rows[8:12]), rows[8:12], atol=1e-4))


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox"])
def test_the_readers_of_neurons_and_heads_are_the_projection_behind_them(family):
    model = handle(family)
    for site, width in (("blocks.0.mlp.post", 24), ("blocks.0.attn.z", 4)):
        read = reading(placed(model, pairs(family, 12), site))
        assert read.readers == (f"{site.rpartition('.')[0]}.out",) and read.width == width
        if site.endswith("mlp.post"):
            module = model.module.get_submodule(model.locate(site).point.module)
            with torch.no_grad():
                W = (module(torch.eye(24)) - module(torch.zeros(1, 24))).T
            assert len(read.directions) == 16 and torch.allclose(read.seen(W), W, atol=1e-5)


def test_what_the_architecture_says():
    model = handle("gpt2")
    assert readers_of(model, "blocks.0.resid_mid") == ["blocks.0.mlp.pre", "logits"]
    assert readers_of(model, "blocks.1.resid_post") == ["logits"]
    assert readers_of(model, "embed")[:3] == ["blocks.0.attn.q", "blocks.0.attn.k", "blocks.0.attn.v"]
    assert "blocks.1.mlp.gate" in readers_of(handle("llama"), "blocks.0.resid_post")
    with pytest.raises(SiteUnavailable, match="readers="):
        readers_of(model, "blocks.0.attn.pattern")
    with pytest.raises(InputError, match="readers="):
        reading(placed(model, pairs("gpt2", 4), "embed"), [])


def test_coordinates_of_an_attached_basis_are_a_site_like_any_other():
    model, given = handle("gpt2"), pairs("gpt2")
    states = model.run(given.base, read="blocks.1.resid_post")["blocks.1.resid_post"]
    attached = model.attach("blocks.1.resid_post", PCA.fit(states, size=6), "pca")
    found = das(attached, given, "blocks.1.resid_post.pca[pos=-1]", config=SearchConfig(steps=5, starts=1), draws=2)
    assert found.width == 6 and found.subspace.width == 6


def test_a_head_has_so_many_dimensions():
    with pytest.raises(InputError, match="size=99"):
        das(handle("gpt2"), pairs("gpt2"), "blocks.0.attn.z[head=0]", size=99, config=SEARCH)


def test_the_random_direction_of_a_model_is_no_explanation():
    model = handle("gpt2")
    test = illusion(model, pairs("gpt2", 40), "blocks.0.mlp.post", Subspace.random(24, 1, seed=3), draws=3)
    assert test.outcome == "undecided" and test.rank == 16


def test_the_readers_of_an_encoder_are_those_of_its_architecture():
    """Of neurons the dense layer behind them; of the stream the next block's parts, or what comes before the logits."""
    model = handle("bert")
    read = reading(placed(model, pairs("bert", 12), "blocks.0.mlp.post"))
    W = model.module.get_submodule("bert.encoder.layer.0.output.dense").weight.detach()
    assert read.readers == ("blocks.0.mlp.out",) and len(read.directions) == torch.linalg.matrix_rank(W)
    assert torch.allclose(read.seen(W), W, atol=1e-4)
    # the control: random directions are seen in part only
    random = torch.randn(3, W.shape[1], generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(read.seen(random), random, atol=1e-2)
    assert "blocks.1.attn.q" in readers_of(model, "blocks.0.resid_post")
    test = illusion(model, pairs("bert", 40), "blocks.0.mlp.post", Subspace.random(W.shape[1], 1, seed=3), draws=2)
    assert test.readers == ("blocks.0.mlp.out",) and test.outcome == "undecided"


def test_of_a_recurrent_model_no_reader_is_known():
    with pytest.raises(SiteUnavailable, match="readers="):
        illusion(handle("lstm"), pairs("lstm", 12), "lstm0:out[pos=-1]", Subspace.random(12, 1), draws=2)
    named = illusion(handle("lstm"), pairs("lstm", 40), "unembed:in[pos=-1]", Subspace.random(12, 1, seed=2), ["unembed:out"], draws=2)
    assert named.rank == 12 and named.lengths[1] < 1e-2  # every entry of the last layer is read: there is no null part
