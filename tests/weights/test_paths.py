"""The sum over paths is the model's logits, for every residual law; taking a path out changes it by that path's term and nothing else."""

import functools

import pytest
import torch
from small_models import planted, words
from tiny_families import build
from tiny_models import bare

import sonde
from sonde.nn.transformer import Transformer, TransformerConfig
from sonde.results import InputError, SiteUnavailable
from sonde.weights import path_importance, paths
from sonde.weights.expansion import terms
from sonde.weights.frozen import Frozen

ROWS = [[3, 17, 5, 29, 8, 11, 2], [1, 2, 3, 4]]
FAMILIES = ("gpt2", "llama", "gpt_neox", "olmo2", "bloom", "opt", "gemma", "falcon-grouped")  # every law, and shared keys


@functools.cache
def model(family):
    return sonde.load(bare(family) if family.startswith("native") else build(family))


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("family", [*FAMILIES, "native-gated", "native-attention"])
def test_the_sum_is_the_logits(family, linear):
    if linear and family == "native-attention":
        pytest.skip("it has no MLPs")
    frozen = Frozen(model(family), ROWS, linear)
    found = list(terms(frozen))
    summed = frozen.logits(sum(term.value for term in found), constant=True)
    own = frozen.run.logits.double()
    assert float((summed - own)[frozen.mask].abs().max()) < 1e-5 * float(own.abs().max())
    # the same with virtual heads left together
    again = [term.name for term in terms(frozen, pairs=False)]
    assert not any(" > " in name for name in again) and ("order 2" in again) == (model(family).n_layers > 1)


def test_attention_only_without_norm_to_a_millionth():
    torch.manual_seed(0)
    shape = {"n_layers": 2, "d_model": 12, "n_heads": 3, "d_vocab": 20, "n_ctx": 10, "d_mlp": 0, "norm": None, "bias": False}
    own = sonde.load(Transformer(TransformerConfig(**shape)))
    found = path_importance(own, [[1, 5, 2, 9, 9, 1]])
    assert found.error < 1e-6
    assert [group for group in found.groups if " > " in group] == [f"0.{a} > 1.{b}" for a in range(3) for b in range(3)]


def test_a_virtual_head_is_its_pattern_and_its_map():
    """A_h2 A_h1 x V_h1 O_h1 V_h2 O_h2, formed here by itself."""
    own = model("native-attention")
    frozen = Frozen(own, ROWS[:1])
    found = {term.name: term.value for term in terms(frozen)}
    from sonde.weights import ov

    run = own.run(ROWS[:1], read=["blocks.0.attn.pattern", "blocks.1.attn.pattern", "blocks.0.resid_pre"])
    pattern = run["blocks.1.attn.pattern"][0, 2] @ run["blocks.0.attn.pattern"][0, 1]
    wanted = pattern @ run["blocks.0.resid_pre"][0] @ (ov(own, 0)[1] @ ov(own, 1)[2]).dense()
    assert torch.allclose(found["0.1 > 1.2"][0].float(), wanted, atol=1e-4 * float(wanted.abs().max()))


def test_a_prediction():
    own = words()
    found = paths(own, "The keys on the cabinet", " are", " is")
    run = own.run("The keys on the cabinet")
    single = own.tokenizer.single
    truth = float(run.logits[0, -1, single(" are")] - run.logits[0, -1, single(" is")])
    assert found.total == pytest.approx(truth, abs=1e-4) and float(found.values.sum()) == pytest.approx(truth, abs=1e-3)
    assert sum(found.by_order.values()) == pytest.approx(truth, abs=1e-3)
    assert found.drawing().kind == "tabs"
    all_tokens = paths(own, "The keys on the cabinet", " are")
    assert float(all_tokens.values.sum()) == pytest.approx(float(run.logits[0, -1, single(" are")] - run.logits[0, -1].mean()), abs=1e-3)


def test_the_strongest_paths_carry_other_prompts_too():
    own = words()
    found = paths(own, "The keys on the cabinet", " are", " is")
    task = sonde.tasks.load("agreement", own, n=8, seed=1)
    [verdict] = found.check(own, task)
    assert verdict.holds and verdict.measured > 5 * verdict.control
    assert found.values[[found.terms.index(name) for name in found.strongest(5)]].min() > 0
    reverse = paths(own, "The keys on the cabinet", " is", " are")
    assert not reverse.check(own, task)[0].holds, "control: the paths that speak for the wrong answer"


def test_planted_induction_writes_through_one_head(tmp_path):
    """The match head copies the word itself: taken out, the prediction is gone; no virtual head is worth anything (the pair meets in the key)."""
    own, truth = planted()
    words_of = sorted(truth["words"])
    texts = [" ".join([*words_of[i : i + 5], *words_of[i : i + 5]]) for i in (0, 5)]
    found = path_importance(own, texts)
    singles = {name: found.worth(name) for name in found.groups if name.count(".") == 1 and ">" not in name}
    head = max(singles, key=singles.get)
    assert found.error < 1e-4 and head == truth["induction"]
    assert abs(found.worth("virtual heads")) < 0.1 * found.worth(head) and found.worth(head) > 0.1
    assert float(found.up_to[-1].mean()) == pytest.approx(float(found.full.mean()), abs=1e-5)
    again = type(found).load(found.save(tmp_path / "paths"))
    assert torch.equal(again.without, found.without) and "one head" in str(again.drawing().to_json())
    assert [verdict.holds for verdict in found.check(own)] == [None, None]  # two rows say too little


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda: paths(sonde.load(build("gemma2")), [1, 2, 3], 4), "caps its logits"),
        (lambda: paths(sonde.load(build("opt-post")), [1, 2, 3], 4), "norms its stream after every sum"),
        (lambda: paths(model("gpt2"), [1, 2, 3], 99), "token 99"),
        (lambda: paths(model("gpt2"), [1, 2, 3], " are"), "without a tokenizer"),
        (lambda: paths(model("gpt2"), [1], 2), "no two tokens"),
    ],
)
def test_mistakes(ask, message):
    with pytest.raises((InputError, SiteUnavailable), match=message):
        ask()
