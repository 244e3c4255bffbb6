"""Templates from data: what they say, and every mistake by its place."""

import pytest

from sonde.results import InputError
from sonde.tasks import SlotTemplate
from sonde.tasks.own.document import parse

GOOD = """\
slots:
  io: name
  s: name
  day: weekday
  n: {class: noun, form: "*"}
frames:
  - "On {day} {io} and {s} saw the {n}, and {s} thanked"
answer: "{io}"
wrong: "{s}"
counterfactual: {"s#2": "{io}"}
"""


def template(text):
    return SlotTemplate.of(parse(text, "my.yaml"))


def test_what_it_says():
    found = template(GOOD)
    assert found.name == "my" and list(found.slots) == ["io", "s", "day", "n"] and list(found.counterfactuals) == ["s#2: {io}"]
    assert found.slots["n"].drawn == range(2) and found.space and found.metric is None and found.spans is None


def test_the_same_from_python():
    data = {"slots": {"city": {"forms": ["city", "country"], "words": ["Paris/France", "Rome/Italy"]}}, "frames": ["{city} is in"]}
    found = SlotTemplate.of(data | {"answer": "{city/country}"})
    assert found.name == "template" and list(found.counterfactuals) == ["other city"]
    with pytest.raises(InputError, match=r"^slots: city: a slot has one source"):
        SlotTemplate.of(data | {"slots": {"city": {}}, "answer": "{city}"})


def test_words_from_files(tmp_path):
    (tmp_path / "cities.csv").write_text("\ufeffcountry,capital\nFrance,Paris\nItaly,Rome\nAtlantis,\n", encoding="utf-8")
    (tmp_path / "names.json").write_text('["Mary", "John"]', encoding="utf-8")
    data = {
        "slots": {"city": {"file": "cities.csv", "forms": ["capital", "country"]}, "who": {"file": "names.json"}},
        "frames": ["{who} saw {city} in"], "answer": "{city/country}",
    }  # fmt: skip
    found = SlotTemplate.of(data, tmp_path)
    assert [entry.forms for entry in found.slots["city"].kind.entries] == [("Paris", "France"), ("Rome", "Italy")]
    assert [entry.forms for entry in found.slots["who"].kind.entries] == [("Mary",), ("John",)]
    data["slots"]["city"]["forms"] = ["city"]
    with pytest.raises(InputError, match=r"slots: city: file: .*has no column 'city'; it has country, capital"):
        SlotTemplate.of(data, tmp_path)


def changed(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", r"line 1: a mapping is expected"),
        (GOOD + "anwser: x\n", r"line 11 \(anwser\): unknown key 'anwser': a template has name, question, slots"),
        (changed("  io: name", "  io: {klass: name}"), r"line 2 \(slots: io: klass\): unknown key 'klass': a slot has class, words"),
        (changed("  io: name", "  io: []"), r"line 2 \(slots: io\): a slot without words"),
        (changed("  io: name", "  io: nam"), r"line 2 \(slots: io\): there is no class of words 'nam'; there are .*your own words stand in a list"),
        (changed("  io: name", "  io: {class: name, words: [a]}"), "this one has 2: give one of class, words and file"),
        (changed("  io: name", "  io: {words: [a/b, c], forms: [one, two]}"), r"'c' has 1 forms and the slot 2 \(one, two\)"),
        (changed("  io: name", "  io: {class: name, forms: [x]}"), "a class of the lexicon has its own forms"),
        (changed("  io: name", "  io: [Mary, '']"), "one of its words is empty: write it out"),
        (changed("  io: name", "  io: {class: noun, form: dual}"), "no form 'dual': its words have singular, plural"),
        (changed("  io: name", "  io: {class: name, tokens: some}"), "'some' is no number of tokens"),
        (changed("  io: name", "  io: {words: [a, b], order: ring}"), "no order 'ring': words stand in a line or in a circle"),
        (changed("  io: name", "  2nd: name\n  io: name"), r"'2nd' is no name for a slot"),
        (changed("  day: weekday", "  day: weekday\n  spare: name"), r"line 5 \(slots: spare\): slot 'spare' stands in no frame, answer or counterf"),
        (changed("{day}", "{dya}"), r"line 7 \(frames: entry 1\): there is no slot 'dya'; declared are io, s, day, n"),
        (changed("{day}", "{day/plural}"), "slot 'day' has no form 'plural'; it has weekday"),
        (changed("{n}", "{n+1}"), "nothing follows a word of slot 'n': give it order: line or order: circle"),
        (changed("{n}", "{n"), "is no slot: write {slot}"),
        (changed('answer: "{io}"', 'answer: "{s}"'), r"line 9 \(wrong\): the wrong answer is the right one"),
        (changed('answer: "{io}"', "answer: {io}"), r"line 8 \(answer\): an answer is a text such as \"{slot}\" in quotes"),
        (changed('answer: "{io}"', "answer: []"), r"a template needs answer: answer: \"{place}\""),
        (changed('wrong: "{s}"\n', ""), r"line 9 \(counterfactual\): under 's#2: {io}' there is no wrong answer .* leaves the answer as it is: g"),
        (changed('"s#2": "{io}"', '"s#3": "{io}"'), r"'s#3': slot 's' stands at most 2 times in a frame"),
        (changed('"s#2": "{io}"', '"s": "{s}"'), "no counterfactual is possible: s would stay what it is"),
        (changed('"s#2": "{io}"', "day: other form"), "no counterfactual is possible: the words of slot 'day' have one form only"),
        (changed("  io: name", "  io: [Mary]").replace('"s#2": "{io}"', "io: other"), "no counterfactual is possible: slot 'io' has one word"),
        (changed('answer: "{io}"', "answer: Mary").replace('counterfactual: {"s#2": "{io}"}', ""), "the answer is the same for all words"),
        (GOOD + "metric: accuracies\n", r"line 11 \(metric\): there is no metric 'accuracies'; there are logit_difference"),
        (GOOD + "spans: {giver: who}\n", r"line 11 \(spans: giver\): there is no slot 'who'"),
        (GOOD + "spans: {changed: s}\n", "is what the counterfactual changes: choose another name"),
        (GOOD + "space: perhaps\n", "'perhaps' is neither yes nor no"),
        (changed('answer: "{io}"', "answer: {of: n, words: {singular: [is]}}"), r"no answer for 'boys' of slot 'n': give one for each form"),
        (changed('answer: "{io}"', "answer: {of: n, words: {singular: is, plural: are, dual: x}}"), "'dual' is neither a form of slot 'n'"),
        (changed("frames:\n", 'frames:\n  - "{s} and {s} ran"\n'), r"line 7 \(frames: entry 1\): the answer depends on slot 'io', which does not"),
        (changed("frames:\n", 'frames:\n  - "{io} and {s}"\n'), r"line 7 \(frames: entry 1\): the counterfactual 's#2: {io}' changes s#2, which"),
        (changed("frames:\n", 'frames:\n  - "Nothing"\n'), "the frame 'Nothing' has no slot"),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(InputError, match=message) as error:
        template(text)
    assert "\n" not in str(error.value) and str(error.value).startswith("my.yaml, line ")
