"""Skip-trigrams: those written into a head come first, the ones that its form forces are named, and a shuffled head shows others."""

import pytest
import torch
from small_models import words
from tiny_families import build

import sonde
from sonde.evidence import permuted
from sonde.nn.transformer import Transformer, TransformerConfig
from sonde.results import InputError, SiteUnavailable
from sonde.specimens.compiled.assembly import word_tokenizer
from sonde.weights import SkipTrigrams, skip_trigrams

WORDS = ["keep", "in", "mind", "at", "bay", "lamp", "road", "king", "boat", "cat"]


@pytest.fixture(scope="module")
def model():
    """One head: "in" and "at" look at "keep", which raises "mind" and "bay" and lowers "cat"; a second head does nothing."""
    tokenizer = word_tokenizer(WORDS)
    n = len(WORDS) + 2
    shape = {"n_layers": 1, "d_model": n, "n_heads": 2, "d_head": n, "d_vocab": n, "n_ctx": 12, "d_mlp": 0, "norm": None, "positional": None}
    network = Transformer(TransformerConfig(**shape, tied=False, bias=False)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
        network.embed.weight.copy_(torch.eye(n))
        network.unembed.weight.copy_(torch.eye(n))
        attn, at = network.blocks[0].attn, {word: tokenizer.single(word) for word in WORDS}
        attn.q.weight[0, at["in"]], attn.q.weight[0, at["at"]] = 4.0, 3.0
        attn.k.weight[0, at["keep"]] = 1.0
        attn.v.weight[0, at["keep"]] = 1.0
        attn.o.weight[at["mind"], 0], attn.o.weight[at["bay"], 0], attn.o.weight[at["cat"], 0] = 4.0, 3.0, -5.0
    return sonde.load(network, tokenizer)


def triples(frame):
    return list(zip(frame["source"], frame["destination"], frame["out"], strict=True))


def test_the_planted_one_is_first_and_its_bugs_are_named(model):
    found = skip_trigrams(model, k=4, near=2, texts=["lamp keep road in mind", "keep at bay", "keep in mind"])
    raised = found.of("0.0")
    assert triples(raised)[0] == ("keep", "in", "mind") and set(triples(raised)) == {("keep", b, c) for b in ("in", "at") for c in ("mind", "bay")}
    assert raised["seen"].to_list()[0] == 2
    forced = dict(zip(triples(found.of("0.0", "forced")), found.of("0.0", "forced")["seen"], strict=True))
    assert forced[("keep", "in", "bay")] == 0 and forced[("keep", "at", "mind")] == 0
    assert "'keep' ... 'in' -> 'mind' and 'keep' ... 'at' -> 'bay'" in found.of("0.0", "forced")["forced_by"].to_list()
    assert triples(found.of("0.0", "lowered"))[0] == ("keep", "in", "cat")
    with pytest.raises(InputError, match=r"heads are 0\.0"):  # the head that does nothing has none
        found.of("0.1")
    assert "keep" in str(found.drawing().to_json())


def test_permuted_weights_say_something_else(model):
    broken = sonde.load(permuted(model.module, seed=3), model.tokenizer)
    found = skip_trigrams(broken, k=4, near=2)
    assert ("keep", "in", "mind") not in triples(found.to_frame().filter(found.to_frame()["kind"] == "raised"))


def test_the_score_is_the_product_of_dense_matrices():
    """Over all pairs and outs, written out."""
    from sonde.weights import embedding, ov, qk, unembedding

    model = sonde.load(build("gpt2"))
    found = skip_trigrams(model, layers=[1], k=1, near=40).of("1.2")
    E, U = embedding(model).dense(), unembedding(model).dense()
    standard = lambda matrix: (matrix - matrix.mean(-1, keepdim=True)) / matrix.std(-1, correction=0, keepdim=True)
    looks, writes = standard(E @ qk(model, 1)[2].dense() @ E.T), standard(E @ ov(model, 1)[2].dense() @ U)
    wanted = (looks.T.clamp(min=0)[:, :, None] * writes[:, None, :]).max()
    assert found["score"][0] == pytest.approx(float(wanted), rel=1e-3)


def test_copying_is_labelled_and_special_tokens_are_left_out(tmp_path):
    model = words()
    found = skip_trigrams(model, layers=[3], k=5, near=3)
    assert set(found.to_frame()["label"]) <= {"copies", "copies in another form", "other"} and found.tokens < model.architecture.d_vocab
    again = SkipTrigrams.load(found.save(tmp_path / "found"))
    assert again.found.equals(found.found)


@pytest.mark.parametrize(
    "given, message",
    [({"k": 0}, "take 1 or more"), ({"tokens": [1, 2]}, "four or more"), ({"tokens": [1, 2, 3, 99]}, "from 0 to"), ({"layers": [1]}, "no block 1")],
)
def test_mistakes(model, given, message):
    with pytest.raises(InputError, match=message):
        skip_trigrams(model, **given)


def test_a_family_without_scores_that_are_products():
    with pytest.raises(SiteUnavailable, match="no product"):
        skip_trigrams(sonde.load(build("qwen3")))


def test_how_far_back_heads_look():
    """Against sums written out, on rows of different length; without a text, and where no row fits, nothing is told."""
    own = sonde.load(build("gpt2"))
    rows = [[3, 17, 5, 29, 8, 11, 2], [1, 2, 3, 4]]
    found = skip_trigrams(own, layers=[1], k=2, near=2, texts=rows)
    pattern = [own.run([row], read="blocks.1.attn.pattern")["blocks.1.attn.pattern"][0, 2] for row in rows]
    for distance in (0, 2, 5):
        seen = [float(p[q, q - distance]) for p in pattern for q in range(len(p)) if q - distance >= 1]
        assert float(found.attention[0, 2, distance]) == pytest.approx(sum(seen) / len(seen), abs=1e-6)
    assert float(found.first[0, 2]) == pytest.approx(float(sum(p[1:, 0].mean() for p in pattern)) / 2, abs=1e-6)
    assert found.by_distance("1.2").kind == "lines"
    silent = skip_trigrams(own, layers=[1], k=2, near=2)
    assert silent.attention.shape[-1] == 0
    with pytest.raises(InputError, match="measured on a text"):
        silent.by_distance("1.2")


def test_what_a_network_has_learnt_goes_by_tokens_more_than_permuted_weights():
    own = sonde.load("specimen:words-small")
    some = {"layers": [0, 1], "k": 1, "near": 2, "tokens": list(range(100, 700))}
    [verdict] = skip_trigrams(own, **some).check(own, networks=2)
    assert verdict.holds and verdict.n == 2 * own.n_heads
    broken = sonde.load(permuted(own.module, 9), own.tokenizer)
    assert not skip_trigrams(broken, **some).check(broken, networks=2)[0].holds
