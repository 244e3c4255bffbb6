"""An attribution is believed where it is right, and not where it is made up, or where there is nothing to explain."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from small_models import planted, words

import sonde
from sonde import attribution
from sonde.attribution import check, gradient_x_input
from sonde.evidence import permuted
from sonde.results import CheckRefused, InputError
from sonde.tasks import counterfactuals, siblings

# with the padding token for absent ones, unless a test says otherwise
integrated_gradients = partial(attribution.integrated_gradients, baseline="pad")
occlusion = partial(attribution.occlusion, baseline="pad")


def family(model, text, n=16):
    pair = counterfactuals(text, model).best.pair
    return siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=n)


@pytest.mark.parametrize("method", [partial(integrated_gradients, tolerance=math.inf), occlusion])
@pytest.mark.parametrize("text", ["When Mary and John went to the shop, John gave a book to", "The keys on the cabinet"])
def test_good_attributions_hold(method, text):
    """Gradient x input is left out: it promises nothing where the model is saturated, and fails on some prompts."""
    verdict = check(words(), family(words(), text), method)
    assert verdict.holds and verdict.n == 16 and verdict.measured > verdict.control


def test_made_up_ones_do_not():
    """The control that must fail: random values, and the true ones upside down."""
    model = words()
    task = family(model, "The keys on the cabinet", n=24)

    def made_up(m, t):
        result = occlusion(m, t)
        return replace(result, values=torch.rand(result.values.shape, generator=torch.Generator().manual_seed(5)))

    def upside_down(m, t):
        result = occlusion(m, t)
        return replace(result, values=-result.values)

    assert check(model, task, made_up).holds is False
    assert check(model, task, upside_down).holds is False


def test_the_planted_truth_holds():
    model, _ = planted(1)
    verdict = check(model, family(model, "dog lamp river road horse tree lamp"), occlusion)
    assert verdict.holds and verdict.measured > 0.8


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("text", ["When Mary and John went to the shop, John gave a book to", "The keys on the cabinet", "The capital of France is"])
def test_nothing_holds_on_permuted_weights(seed, text):
    task = family(words(), text)
    broken = sonde.Model(permuted(words().module, seed), words().tokenizer)
    for method in (gradient_x_input, occlusion):
        assert not check(broken, task, method).holds


def test_no_prompts_no_verdict():
    task = siblings("It was there when he went", "It was there when she went", " to", " in", words())
    verdict = check(words(), task, occlusion)
    assert verdict.holds is None and "no word of the prompt can be exchanged" in verdict.reason


def test_a_result_checks_itself():
    pair = counterfactuals("The keys on the cabinet", words())
    result = integrated_gradients(words(), pair.task(), baseline="zero")
    (verdict,) = result.check(words(), family(words(), "The keys on the cabinet"))
    assert verdict.holds and "integrated gradients" in verdict.claim
    other = sonde.Model(permuted(words().module, 0), words().tokenizer)
    with pytest.raises(CheckRefused):
        result.check(other, pair.task())


def test_an_embedding_is_not_kept_in_the_recipe():
    pair = counterfactuals("The keys on the cabinet", words())
    result = occlusion(words(), pair.task(), baseline=torch.zeros(128))
    with pytest.raises(InputError, match="baseline was given as a tensor"):
        result.check(words(), pair.task())
