"""Finding on some prompts, judging on others: the planted heads are found and hold, and nothing holds where nothing was learnt."""

import pytest
import torch
from small_models import llama, planted, words

import sonde
from sonde.evidence import permuted
from sonde.patching import find_components, verify
from sonde.results import CheckRefused
from sonde.tasks import counterfactuals, siblings

PROMPTS = ["When Mary and John went to the shop, John gave a book to", "The keys on the cabinet", "The capital of France is"]


def halves(model, text, n=32):
    found = counterfactuals(text, model)
    pair = found.best.pair
    return siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=n).split(0)


@pytest.mark.parametrize("seed", range(4))
def test_the_planted_heads_are_found_and_hold(seed):
    model, truth = planted(seed)
    search, evaluate = halves(model, "dog lamp river road horse tree lamp")
    found = find_components(model, search)
    assert set(found.names) == {f"head {truth['previous_token']}", f"head {truth['induction']}"}
    needed, enough = found.check(model, evaluate)
    assert needed.holds and enough.holds and needed.n == 16
    assert needed.measured > 0.9 and enough.measured > 0.9 and max(needed.control, enough.control) < needed.measured - 0.3
    assert all(name.lower() in needed.claim.lower() for name in found.names)


@pytest.mark.parametrize("text", PROMPTS[:2])
def test_the_specimens_claims_hold(text):
    search, evaluate = halves(words(), text)
    found = find_components(words(), search)
    assert 0 < len(found.found) <= 8
    assert all(verdict.holds for verdict in found.check(words(), evaluate))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("text", PROMPTS)
def test_nothing_holds_on_permuted_weights(seed, text):
    broken = sonde.Model(permuted(words().module, seed), words().tokenizer)
    search, evaluate = halves(words(), text)
    assert not any(verdict.holds for verdict in find_components(broken, search).check(broken, evaluate))


def test_a_wrong_set_does_not_hold():
    """The control that must fail: heads of the planted circuit that do nothing."""
    model, truth = planted(0)
    _, evaluate = halves(model, "dog lamp river road horse tree lamp")
    sites = [f"blocks.{layer}.attn.z[head={head}]" for layer in range(2) for head in range(4)]
    idle = [s for s in sites if f"{s.split('.')[1]}.{s[-2]}" not in (truth["previous_token"], truth["induction"])][:2]
    assert [v.holds for v in verify(model, evaluate, idle, sites).verdicts] == [False, False]


def test_the_first_link_of_a_chain_is_needed_and_enough():
    """Of two heads in a chain the first is needed, and enough as well: the second reads what it writes, also in the corrupted run."""
    model, truth = planted(0)
    _, evaluate = halves(model, "dog lamp river road horse tree lamp")
    layer, head = truth["previous_token"].split(".")
    sites = [f"blocks.{layer}.attn.z[head={head}]" for layer in range(2) for head in range(4)]
    tested = verify(model, evaluate, [f"blocks.{layer}.attn.z[head={head}]"], sites)
    needed, enough = tested.verdicts
    assert needed.holds and enough.holds
    assert tested.drawing().kind == "bars" and tested.to_frame().height == 2 * 16 * len(tested.noising.sites)


def test_scores_are_the_mean_of_both_directions():
    search, _ = halves(words(), "The keys on the cabinet")
    found = find_components(words(), search)
    assert torch.allclose(found.score, (found.denoising.effect + found.noising.effect) / 2)
    assert found.found == sorted(found.found, key=lambda i: -float(found.score[i]))
    assert all(found.score[i] >= 0.1 and found.interval[i, 0] > 0 for i in found.found)
    assert found.drawing().kind == "bars" and found.to_frame().height == 20


def test_results_are_kept_and_refused_on_another_model(tmp_path):
    search, evaluate = halves(words(), "The keys on the cabinet")
    found = find_components(words(), search)
    back = type(found).load(found.save(tmp_path / "components"))
    assert back.names == found.names and torch.equal(back.score, found.score)
    assert [v.holds for v in back.check(words(), evaluate)] == [v.holds for v in found.check(words(), evaluate)]
    with pytest.raises(CheckRefused):
        back.check(sonde.Model(permuted(words().module, 0), words().tokenizer), evaluate)


def test_a_llama_with_grouped_keys():
    model = llama()
    search, evaluate = halves(model, "When Lily and Tom went to the park, Tom gave a ball to", n=20)
    found = find_components(model, search)
    assert len(found.sites) == 3 * 4 + 3 and not any(verdict.holds for verdict in found.check(model, evaluate))
