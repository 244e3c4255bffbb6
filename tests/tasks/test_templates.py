"""Templates know their own frames and the prompts of people, and no others."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_models import words

from sonde.results import InputError
from sonde.tasks import TEMPLATES
from sonde.tasks.fillers import Fillers
from sonde.tasks.frame import fill
from sonde.tasks.prompt import Prompt

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
    "red",
    "blue",
    "1732",
    "17",
    "kind",
    "of",
    "because",
    "def f(self,",
    "):",
    ":param",
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
    ("successor", "Monday, Tuesday, Wednesday,", " Thursday", " Sunday", "Thursday, Friday, Saturday,"),
    ("successor", "Anna counted up from two to", " three", " six", "Anna counted up from five to"),
    ("successor", "She left in December and came home in", " January", " April", "She left in March and came home in"),
    ("capital", "The capital of France is", " Paris", None, None),
    ("capital", "Paris is the capital of", " France", None, None),
    ("induction", "dog lamp river road dog", " lamp", " river", None),
    ("induction", "the old dog saw Anna, and the old dog", " saw", " old", None),
    ("pronoun", "Mary went home because", " she", " he", None),
    ("pronoun", "John went to the shop because", " he", " she", None),
    ("pronoun", "It was late. When John saw the shop,", " he", " she", None),
    ("colored_objects", "I see a red cup and a blue hat. The hat is", " blue", " red", "I see a red cup and a blue hat. The cup is"),
    (
        "colored_objects",
        "Q: On the table, there is a red cup, a blue hat, and a green key. What color is the key? A:",
        " green",
        None,
        None,
    ),
    ("hypernymy", "An apple is a kind of", " fruit", None, None),
    ("hypernymy", "Mary likes hammers and other", " tool", None, None),  # its plural is several tokens of this tokenizer
    (
        "docstring",
        'def f(self, book, key, lamp):\n    """Open it\n\n    :param book: old\n    :param',
        " key",
        " lamp",
        'def f(self, book, lamp, key):\n    """Open it\n\n    :param book: old\n    :param',
    ),
]


@pytest.mark.parametrize(("name", "text", "target", "foil", "corrupt"), KNOWN)
def test_prompts_with_known_answers(name, text, target, foil, corrupt):
    prompt = Prompt(text, words().tokenizer)
    knowing = [template.name for template in TEMPLATES.values() if next(template.rule(prompt), None) is not None]
    assert knowing[0] == name
    case = next(TEMPLATES[name].rule(prompt))
    assert case.answers[0] == target and case.kind == TEMPLATES[name].kind(None)
    assert foil in (None, *case.wrongs[:1]) and corrupt in (None, case.corrupt) and case.corrupt != text
    assert case.reason and all(word in prompt.words for word in case.roles.values())


@pytest.mark.parametrize(
    "text",
    [
        "Mary and John went to the shop because",  # nobody acts again, and there are two whom a pronoun could mean
        "Mary told the doctor that",  # likewise
        "Mary lost her ring because",  # the pronoun's gender stands there
        "I see a red cup and a red hat. The hat is",  # the same colour twice
        "I see a red cup and a blue hat. The lamp is",  # a thing without a colour
        "The war lasted from 1732 to 18",  # another century
        "The war lasted from 1799 to 17",  # no later year
        "An apple is a kind",
        "A hammer and an apple are kinds of",  # two kinds
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


@pytest.mark.parametrize("listed", ["key", "lamp", "book: old\n    :param key", "key: old\n    :param book"])
def test_a_docstring_that_does_not_follow_its_signature(listed):
    """The last argument is listed, or another name is, or all are, or they are out of order: no next one."""
    prompt = Prompt(f"def f(self, book, key):\n    :param {listed}: old\n    :param", words().tokenizer)
    assert next(TEMPLATES["docstring"].rule(prompt), None) is None


TURNED = [("ioi", "swap"), ("capital", "country"), ("successor", "shift"), ("agreement", "number"), ("pronoun", "gender"), ("hypernymy", "kind")]
TURNED += [("colored_objects", "question"), ("colored_objects", "colors"), ("docstring", "order"), ("docstring", "new"), ("induction", "answer")]


@pytest.mark.parametrize(("name", "kind"), TURNED)
def test_the_counterfactual_has_the_other_answer(name, kind):
    """The rule reads the corrupted prompt as well, and its answer there is the foil."""
    template, rng, fillers = TEMPLATES[name], random.Random(1), Fillers(words().tokenizer)
    for frame in template.frames[:: 1 + len(template.frames) // 8]:
        text = next(filled for _ in range(20) if (filled := fill(frame, fillers, rng)) is not None)
        case = next((case for case in template.rule(Prompt(text, fillers.tokenizer)) if case.kind == kind), None)
        if case is not None:  # no later argument for the docstring to exchange, no other colour that takes the same article
            back = next(template.rule(Prompt(case.corrupt, fillers.tokenizer)))
            assert back.answers[0] == case.wrongs[0], text
            assert case.answers[0] not in back.answers


def test_an_answer_is_never_wrong():
    rng, fillers = random.Random(2), Fillers(words().tokenizer)
    for template in TEMPLATES.values():
        for frame in template.frames[:: 1 + len(template.frames) // 4]:
            text = next(filled for _ in range(20) if (filled := fill(frame, fillers, rng)) is not None)
            for case, _ in zip(template.rule(Prompt(text, fillers.tokenizer)), range(5), strict=False):
                assert not set(case.answers) & set(case.wrongs) and case.kind in template.counterfactuals


@pytest.mark.parametrize("start", [2, 32, 50, 97, 98])
def test_all_later_years_are_right_and_all_others_wrong(start):
    """A hundred tokens of two digits, of which those after the first year's are right; those that stand for them are equally far from the border."""
    case = next(TEMPLATES["greater_than"].rule(Prompt(f"The war lasted from 17{start:02d} to 17", words().tokenizer)))
    later, others = ([int(text) for text in words().tokenizer.strings(tokens)] for tokens in (case.answers, case.wrongs))
    assert sorted(later) == list(range(start + 1, 100)) and sorted(others) == list(range(start + 1))
    assert later[0] - start == start - others[0] == min(10, start, 99 - start)
    assert case.corrupt == "The war lasted from 1701 to 17"


def test_agreeing_verbs_are_right_in_both_forms_or_in_none():
    singular, plural = (next(TEMPLATES["agreement"].rule(Prompt(text, words().tokenizer))) for text in ("The dog", "The dogs"))
    assert singular.answers == plural.wrongs and singular.wrongs == plural.answers
    assert len(singular.answers) == len(singular.wrongs) > 3 and {" is", " was", " has"} <= set(singular.answers)


def test_the_order_of_what_is_tried_depends_on_the_text_alone():
    first, again = (Prompt("The capital of France is", words().tokenizer).shuffled(range(50)) for _ in range(2))
    other = Prompt("The capital of Italy is", words().tokenizer).shuffled(range(50))
    assert first == again != other and sorted(first) == sorted(other) == list(range(50))


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
            assert case.corrupt != prompt.text and not set(case.answers) & set(case.wrongs)


def test_slots():
    fillers, rng = Fillers(words().tokenizer), random.Random(0)
    assert fill("no slot", fillers, rng) == "no slot"
    a, b, again = fill("{x:name} {y:name} {x}", fillers, rng).split()
    assert a == again != b
    first, second, third = fill("{d:weekday} {d+1} {d+2}", fillers, rng).split()
    days = [entry.forms[0] for entry in fillers.lexicon["weekday"].entries]
    assert [days.index(day) for day in (second, third)] == [(days.index(first) + 1) % 7, (days.index(first) + 2) % 7]
    assert fill("{n:country/capital}", fillers, rng) in [entry.forms[1] for entry in fillers.lexicon["country"].entries]
    year, century = fill("{y:year} {y.century}", fillers, rng).split()
    assert year.startswith(century) and len(year) == 4
    token = fill("{x:token}", fillers, rng)
    assert token.isalpha() and fillers.is_single(token)
    assert fill("{x!A:country}", fillers, rng).split()[0] in ("A", "An")
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
        ("{x:noun} {x.dual}", "the class '[a-z]+' has no form 'dual'; it has singular, plural"),
        ("{x!r:noun}", "is no name"),
    ],
)
def test_slots_that_are_written_wrongly(frame, message):
    with pytest.raises(InputError, match=message):
        fill(frame, Fillers(words().tokenizer), random.Random(0))
