"""From which layer on is the answer readable? Right where the truth is planted, silent where nothing was learnt."""

import pytest
import torch
from small_models import llama, planted, words

import sonde
from sonde.evidence import permuted
from sonde.lens import readable_from
from sonde.lens.check import margins, read_rightly
from sonde.tasks import LogitDifference, Task, counterfactuals, siblings

PROMPTS = ["When Mary and John went to the shop, John gave a book to", "The keys on the cabinet", "John went to the shop because"]


def halves(model, text, n=32):
    found = counterfactuals(text, model)
    pair = found.best.pair
    return siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=n).split(0)


@pytest.mark.parametrize("seed", range(3))
def test_the_planted_answer_is_written_by_the_last_block(seed):
    model, _ = planted(seed)
    layer, verdict = readable_from(model, *halves(model, "dog lamp river road horse tree lamp"))
    assert layer == "model" and verdict.holds and verdict.measured == 1
    assert verdict.claim == "The answer can be read from the residual stream from the last block on."


def test_the_specimens_names_are_readable():
    layer, verdict = readable_from(words(), *halves(words(), PROMPTS[0]))
    assert layer != "embed" and verdict.holds and verdict.n == 16 and verdict.control < 0.5


def test_two_fixed_words_are_one_direction():
    """Read rightly they are, but rotations differ so much in reading one contrast that to be right on it is no evidence."""
    layer, verdict = readable_from(words(), *halves(words(), PROMPTS[1]))
    assert layer != "embed" and verdict.measured >= 0.75 and verdict.control < 0.5
    assert verdict.interval[1] - verdict.interval[0] > 1 and verdict.holds is False


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("text", PROMPTS)
def test_nothing_holds_on_permuted_weights(seed, text):
    """Also where such a network always prefers one word: it has read nothing from the prompt."""
    broken = sonde.Model(permuted(words().module, seed), words().tokenizer)
    assert not readable_from(broken, *halves(words(), text))[1].holds


def test_a_constant_preference_is_no_reading():
    model, _ = planted(0)
    search, evaluate = halves(model, "dog lamp river road horse tree lamp")
    constant = sonde.Model(permuted(model.module, 0), model.tokenizer)
    with torch.no_grad():
        for name, weight in constant.module.named_parameters():
            if name.startswith("blocks"):
                weight.zero_()
    assert readable_from(constant, search, evaluate)[1].holds is None
    clean, corrupt = (margins(constant, evaluate, rows) for rows in (evaluate.clean, evaluate.corrupt))
    assert torch.equal(clean, corrupt) and not read_rightly(constant, evaluate).any()


def test_the_last_margin_is_the_logit_difference():
    task = sonde.tasks.load("agreement", words(), n=6)
    expected = LogitDifference(task.targets, foils=task.foils)(words().run(task.clean))
    assert torch.allclose(margins(words(), task, task.clean)[0, -1], expected, atol=1e-4)


def test_without_siblings_there_is_a_reason():
    layer, verdict = readable_from(words(), Task.of([], "none"), Task.of([], "none"))
    assert layer is None and verdict.holds is None and verdict.reason


def test_a_llama_with_another_tokenizer():
    text = "When Lily and Tom went to the park, Tom gave a ball to"
    assert not readable_from(llama(), *halves(llama(), text))[1].holds
