"""Facts, years and what comes next are as the world's lists have them, in every script."""

import itertools
import re
import unicodedata

import pytest

from sonde.specimens.words import scripts, world
from sonde.specimens.words.mixture import documents

DRAWS = 100


def spanned(made, part):
    return made.text[slice(*made.truth.spans[part])]


def test_wars_end_after_they_began():
    for made in documents("years", n=DRAWS):
        first, second = map(int, re.findall(r"\d{4}", made.text))
        assert first < second
        assert first // 100 == second // 100
        assert str(first) == spanned(made, "start") == made.truth.fact[2]


def test_what_comes_next():
    after = {a: b for series in (world.NUMBERS, world.ORDINALS) for a, b in itertools.pairwise(series)}
    after |= {a: b for series in (world.DAYS, world.MONTHS) for a, b in zip(series, series[1:] + series[:1], strict=True)}
    for made in documents("succession", n=DRAWS):
        assert made.answer == f" {after[made.truth.fact[0]]}"
        assert spanned(made, "before") == made.truth.fact[0]


def test_capitals_and_countries():
    back = {city: country for country, city in world.CAPITALS.items()}
    for made in documents("capital", n=DRAWS):
        known, relation, asked = made.truth.fact
        assert asked == (world.CAPITALS if relation == "capital" else back)[known]
        assert known in made.prompt


def test_kinds():
    for made in documents("hypernym", n=DRAWS):
        assert world.CLASS_OF[spanned(made, "member")] == made.answer.strip()


def test_a_colour_is_read_beside_its_thing():
    for made in documents("colored_objects", n=DRAWS):
        thing, _, colour = made.truth.fact
        assert spanned(made, "asked") == spanned(made, "thing") == thing
        assert f"{spanned(made, 'colour')} {thing}" in made.prompt
        assert made.prompt.count(colour) == made.prompt.count(made.truth.wrong.strip()) == 1
        assert made.text[made.truth.spans["colour"][0] :].startswith(f"{colour} {thing}")


def test_a_docstring_lists_the_arguments_in_order():
    for made in documents("docstring", n=DRAWS):
        assert re.search(r"\(self, (.*)\):", made.text)[1] == ", ".join(made.truth.copied)
        assert re.findall(r":param (\w+):", made.text) == list(made.truth.copied)
        assert spanned(made, "source") == made.answer.strip()
        assert made.truth.wrong.strip() in made.truth.copied
        compile(made.text, "made", "exec")  # it is a function that Python reads


def test_lists_are_said_again_in_the_same_order():
    for made in documents("repeats", n=DRAWS):
        words = [word for word in re.findall(r"\w+", made.text) if word != "Again"]
        length = len(made.truth.copied)
        assert len(words) >= 2 * length
        assert tuple(words) == made.truth.copied * (len(words) // length)


@pytest.mark.parametrize("script", scripts.LANGUAGES)
def test_other_scripts_are_of_one_script(script):
    drawn = [made for made in documents("scripts", n=3 * DRAWS) if made.truth.script == script]
    assert {made.truth.kind for made in drawn} == {"capital", "agreement", "greeting"}
    for made in drawn:
        letters = {unicodedata.name(letter).split()[0] for letter in made.text if letter.isalpha()}
        assert letters == {script.upper()}
        if made.truth.kind == "capital":
            country, _, city = made.truth.fact
            known, capital = scripts.LANGUAGES[script].capitals[country]
            assert capital.endswith(city)
            assert spanned(made, "country") == known


def test_verbs_of_other_scripts_agree():
    for made in documents("scripts", n=3 * DRAWS):
        if made.truth.kind == "agreement":
            language = scripts.LANGUAGES[made.truth.script]
            second = made.truth.gender == "female" if language.by_gender else made.truth.number == "plural"
            assert spanned(made, "subject") in {forms[second] for forms in language.subjects}
            assert made.answer.strip() in {forms[second] for forms in language.verbs}
            assert made.truth.wrong.strip() in {forms[not second] for forms in language.verbs}
