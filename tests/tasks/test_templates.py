"""Templates know their own frames and the prompts of people, and no others."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_models import words

from sonde.results import InputError
from sonde.tasks import TEMPLATES
from sonde.tasks.fillers import Fillers
from sonde.tasks.prompt import Prompt
from sonde.tasks.template import fill

THEIR_WORDS = [
    "Mary",
    "John",
    "Tom",
    "gave",
    "a",
    "the",
    "book",
    "to",
    "Monday",
    "Tuesday",
    "dog",
    "dogs",
    "near",
    ",",
    ".",
    "France",
    "capital",
    "is",
    "after",
]

KNOWN = [
    ("ioi", "When Mary and John went to the shop, John gave a book to", " Mary", " John", "When Mary and John went to the shop, Mary gave a book to"),
    (
        "ioi",
        "John and Mary were at the park. John decided to give the ring to",
        " Mary",
        " John",
        "John and Mary were at the park. Mary decided to give the ring to",
    ),
    (
        "ioi",
        "Mary, John and Tom went to the shop. Tom and John gave a book to",
        " Mary",
        " John",
        "Mary, John and Tom went to the shop. Tom and Mary gave a book to",
    ),
    ("agreement", "The keys on the cabinet", " are", " is", "The key on the cabinet"),
    ("agreement", "The key on the old cabinets", " is", " are", "The keys on the old cabinets"),
    ("agreement", "It was late. The dogs that see the cat", " are", " is", "It was late. The dog that see the cat"),
    ("agreement", "The dog that the girls follow", " is", " are", "The dogs that the girls follow"),
    ("agreement", "My dogs", " are", " is", "My dog"),
    ("succession", "Monday, Tuesday, Wednesday,", " Thursday", " Sunday", "Thursday, Friday, Saturday,"),
    ("succession", "Anna counted up from two to", " three", " six", "Anna counted up from five to"),
    ("succession", "She left in December and came home in", " January", " April", "She left in March and came home in"),
    ("capital", "The capital of France is", " Paris", " Rome", "The capital of Italy is"),
    ("capital", "Paris is the capital of", " France", " Italy", "Rome is the capital of"),
    ("repeat", "dog lamp river road dog", " lamp", " river", "cat lamp river road dog"),
    ("repeat", "the old dog saw Anna, and the old dog", " saw", " old", "the old cat saw Anna, and the old dog"),
]


@pytest.mark.parametrize(("name", "text", "target", "foil", "corrupt"), KNOWN)
def test_prompts_with_known_answers(name, text, target, foil, corrupt):
    prompt = Prompt(text, words().tokenizer)
    knowing = [template.name for template in TEMPLATES.values() if next(template.rule(prompt), None) is not None]
    assert knowing[0] == name
    case = next(TEMPLATES[name].rule(prompt))
    assert (case.target, case.corrupt) == (target, corrupt)
    assert case.foil == foil
    assert case.reason and all(word in prompt.words for word in case.roles.values())


@pytest.mark.parametrize(
    "text",
    [
        "Mary and John went to the shop because",  # nobody acts again
        "When Mary and John went to the shop, John",  # the next word is a verb
        "When Mary and John met Anna, John gave a book to",  # two people it could be
        "The dog saw the cat",  # a whole sentence, no subject alone
        "The keys on the cabinet are",
        "On Monday the shop",  # a weekday, and nothing asks for the next one
        "Monday, Wednesday,",  # no run
        "Friday, on the way to France",  # a country, and no word of a capital
        "the cat sat on the",  # only a word of grammar comes again
        "Mary saw a dog near the house with a dog",  # one content word comes again in running text
        "???",
    ],
)
def test_other_prompts_are_left_alone(text):
    prompt = Prompt(text, words().tokenizer)
    assert [name for name, template in TEMPLATES.items() if next(template.rule(prompt), None) is not None] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_knows_its_own_frames(name):
    template, rng, fillers = TEMPLATES[name], random.Random(0), Fillers(words().tokenizer)
    for frame in template.frames:
        text = next(filled for _ in range(20) if (filled := fill(frame, fillers, rng)) is not None)
        assert next(template.rule(Prompt(text, fillers.tokenizer)), None) is not None, text
        assert "{" not in text


@pytest.mark.parametrize("name", ["ioi", "capital", "succession"])
def test_the_counterfactual_of_the_counterfactual_has_the_other_answer(name):
    """The rule reads the corrupted prompt as well, and its answer there is the foil."""
    template, rng, fillers = TEMPLATES[name], random.Random(1), Fillers(words().tokenizer)
    for frame in template.frames:
        text = next(filled for _ in range(20) if (filled := fill(frame, fillers, rng)) is not None)
        case = next(template.rule(Prompt(text, fillers.tokenizer)))
        back = next(template.rule(Prompt(case.corrupt, fillers.tokenizer)))
        assert back.target == case.foil


@given(st.text(max_size=60).filter(str.strip))
def test_rules_read_any_text(text):
    prompt = Prompt(text, words().tokenizer)
    for template in TEMPLATES.values():
        for case, _ in zip(template.rule(prompt), range(3), strict=False):
            assert case.corrupt != text


@given(
    st.lists(
        st.sampled_from(THEIR_WORDS),
        min_size=1,
        max_size=14,
    )
)
def test_rules_read_any_order_of_their_own_words(parts):
    prompt = Prompt(" ".join(parts), words().tokenizer)
    for template in TEMPLATES.values():
        for case, _ in zip(template.rule(prompt), range(3), strict=False):
            assert case.corrupt != prompt.text and case.target != case.foil


def test_slots():
    fillers, rng = Fillers(words().tokenizer), random.Random(0)
    assert fill("no slot", fillers, rng) == "no slot"
    a, b, again = fill("{x:name} {y:name} {x}", fillers, rng).split()
    assert a == again != b
    first, second, third = fill("{d:weekday} {d+1} {d+2}", fillers, rng).split()
    days = [entry.forms[0] for entry in fillers.lexicon["weekday"].entries]
    assert [days.index(day) for day in (second, third)] == [(days.index(first) + 1) % 7, (days.index(first) + 2) % 7]
    assert fill("{n:country/capital}", fillers, rng) in [entry.forms[1] for entry in fillers.lexicon["country"].entries]
    drawn = {fill("{x!a:object}", fillers, rng) for _ in range(200)}
    assert "an apple" in drawn and "a book" in drawn and "a apple" not in drawn
    filled = [fill("{n:number} {n+1}", fillers, rng) for _ in range(200)]
    assert None in filled, "nothing follows the last number word"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ("{x:fruit}", "no class of words 'fruit'"),
        ("{x:noun/dual}", "no form 'dual'; it has singular, plural"),
        ("{x-1:noun}", "is no name"),
    ],
)
def test_slots_that_are_written_wrongly(frame, message):
    with pytest.raises(InputError, match=message):
        fill(frame, Fillers(words().tokenizer), random.Random(0))
