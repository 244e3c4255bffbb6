"""Counterfactuals: what the user gives wins, templates come first, and an exchange is chosen by its effect on the target alone."""

import pytest
import torch
from small_models import llama, planted, words

from sonde.results import InputError
from sonde.tasks import counterfactuals

GIFT = "When Mary and John went to the shop, John gave a book to"
UNKNOWN = "John went to the shop and"


def test_a_template_that_matches():
    found = counterfactuals(GIFT, words())
    assert (found.target, found.foil) == (" Mary", " John")
    assert found.best.pair.corrupt == "When Mary and John went to the shop, Mary gave a book to"
    assert found.best.origin == "template" and found.best.template == "ioi" and "ioi" in found.rule
    spans = dict(found.best.spans)
    assert [found.tokens[i] for role in ("receiver", "giver", "giver again") for i in spans[role]] == [" Mary", " John", " John"]
    assert len(found.found) > 1 and len({c.pair.corrupt for c in found.found}) == len(found.found)
    assert all(len(c.pair.clean_ids) == len(c.pair.corrupt_ids) for c in found.found)


def test_exchanges_are_chosen_by_what_they_take_from_the_target():
    model = words()
    found = counterfactuals(UNKNOWN, model)
    assert all(c.origin == "swap" and len(c.pair.changed) == 1 for c in found.found)
    rows = [found.found[0].pair.clean_ids, *(c.pair.corrupt_ids for c in found.found)]
    log_probability = torch.stack([model.run([row]).last_logits[0].log_softmax(-1)[found.answers[0]] for row in rows])
    lost = log_probability[0] - log_probability[1:]
    assert torch.allclose(lost, torch.tensor([c.effect for c in found.found]), atol=1e-4)
    renamable = torch.tensor([c.renamable for c in found.found])
    assert bool(renamable.any()) and not bool(renamable.all())
    assert found.chosen == int(lost.where(renamable, torch.tensor(-torch.inf)).argmax())
    # without a word from the user, the target is the model's first guess, the foil its first guess under the counterfactual or its second one
    assert found.answers[0] == int(model.run(UNKNOWN).last_logits[0].argmax())
    under = int(model.run([found.best.pair.corrupt_ids]).last_logits[0].argmax())
    second = int(model.run(UNKNOWN).last_logits[0].topk(2).indices[1])
    assert found.answers[1] == (under if under != found.answers[0] else second)


def test_words_of_grammar_and_the_last_word_are_exchanged_only_where_nothing_else_can_be():
    changed = {c.reason.split(" instead of ")[1].split(",")[0] for c in counterfactuals(UNKNOWN, words()).found}
    assert changed == {"'John'", "'went'", "'shop'"}
    assert {c.reason.split(" instead of ")[1].split(",")[0] for c in counterfactuals("The dog", words(), corrupt=None, target=" is").found} == {
        "'dog'"
    }


def test_the_gender_of_a_name_is_found_where_it_decides():
    found = counterfactuals("John went home because", words())
    assert (found.target, found.foil) == (" he", " she")
    assert found.best.template == "pronoun" and "a name of the other gender, instead of John" in found.best.reason


def test_nothing_to_exchange():
    found = counterfactuals("???", words())
    assert found.best is None and found.found == () and "no word of it can be exchanged" in found.rule
    assert found.answers[0] != found.answers[1]
    with pytest.raises(InputError, match="Give a counterfactual of"):
        found.task()


@pytest.mark.parametrize(
    ("given", "target", "foil"),
    [
        ({"target": " Tom"}, " Tom", " John"),
        ({"foil": " Tom"}, " Mary", " Tom"),
        ({"target": " John"}, " John", " Mary"),
        ({"foil": " Mary"}, None, " Mary"),
        ({"target": " the", "foil": " a"}, " the", " a"),
    ],
)
def test_the_users_answers_win(given, target, foil):
    found = counterfactuals(GIFT, words(), **given)
    assert (target is None or found.target == target) and found.foil == foil and found.target != found.foil
    assert found.best.template == "ioi"


def test_the_users_counterfactual_wins():
    corrupt = "When Mary and John went to the park, John gave a book to"
    found = counterfactuals(GIFT, words(), corrupt=corrupt)
    assert found.best.origin == "given" and found.best.pair.corrupt == corrupt and len(found.found) == 1
    assert (found.target, found.foil) == (" Mary", " John")
    other = counterfactuals(UNKNOWN, words(), corrupt="Mary went to the shop because")
    assert other.best.pair.corrupt == "Mary went to the shop because" and other.target != other.foil


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"target": " Mary John"}, r"' Mary John' is 2 tokens in this tokenizer \(' Mary', ' John'\)"),
        ({"target": " Mary", "foil": " Mary"}, "target and foil are the same token, ' Mary': give two different ones"),
        ({"corrupt": GIFT}, "is the prompt itself: change at least one word"),
        ({"corrupt": "When Mary and John went to the shop, he gave a book to them"}, "has 16 tokens and the prompt 15.*against .*exchange words"),
        ({"target": 10**6}, "token 1000000 is not in this tokenizer's vocabulary of"),
        ({"target": ""}, "is 0 tokens"),
    ],
)
def test_refusals(given, message):
    with pytest.raises(InputError, match=message) as refusal:
        counterfactuals(GIFT, words(), **given)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("prompt", "message"), [("", "is empty"), ("   ", "is empty"), ("dog " * 500, "context is")])
def test_prompts_that_the_model_cannot_take(prompt, message):
    with pytest.raises(InputError, match=message):
        counterfactuals(prompt, words())


@pytest.mark.parametrize("bos", [True, False])
def test_a_llama_with_another_tokenizer(bos):
    found = counterfactuals("When Lily and Tom went to the park, Tom gave a ball to", llama(bos))
    assert (found.target, found.foil, found.best.template) == (" Lily", " Tom", "ioi")
    assert found.tokens[0] == ("<s>" if bos else " When")
    assert [found.tokens[i] for i in found.best.pair.changed] == [" Tom"]


def test_a_tokenizer_of_whole_words_gets_only_words_that_it_knows():
    model, truth = planted(0)
    found = counterfactuals("dog lamp river road dog", model)
    assert (found.target, found.best.template) == ("lamp", "induction")
    for candidate in found.found:
        assert set(candidate.pair.corrupt.split()) <= set(truth["words"])


def test_candidates_are_drawn_and_printed():
    for text in (GIFT, UNKNOWN):
        found = counterfactuals(text, words())
        drawing = found.drawing()
        assert drawing.kind == "table" and len(drawing.data["rows"]) == len(found.found) and drawing.note == found.rule
        assert [row[0] for row in drawing.data["rows"]].count("chosen") == 1
        assert ("effect on the target (nats)" in drawing.data["columns"]) == (text is UNKNOWN)
        assert found.best.pair.corrupt in repr(found)


def test_the_same_seed_gives_the_same_candidates():
    assert counterfactuals(UNKNOWN, words(), seed=3) == counterfactuals(UNKNOWN, words(), seed=3)
