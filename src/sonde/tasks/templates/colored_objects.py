"""Colored objects: several things are named with their colours, and the colour of one is asked (Merullo et al. 2024, "Circuit component reuse").

The counterfactual asks for another one of the things, or exchanges the two colours; in both the foil, a colour of the prompt too, becomes right.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from sonde.tasks.prompt import Prompt, Word
from sonde.tasks.template import Case, Template

_ASKS = re.compile(r"\s+is|(?:\s+is)?\s*\?\s*(?:it is|it's|answer:|a:)", re.IGNORECASE)


def color_of_the_thing(prompt: Prompt) -> Iterator[Case]:
    """The colour that stood before the thing asked for, where two things or more are named with different colours."""
    named = {thing.text: colour for colour, thing in pairwise(prompt.words) if _is_colour(prompt, colour) and prompt.lexicon.is_a(thing.text, "noun")}
    said = [word for word in prompt.words if word.text in named]
    if len(named) < 2 or len(said) != len(named) + 1 or len({colour.text for colour in named.values()}) < len(named):
        return
    asked = said[-1]
    if _ASKS.fullmatch(prompt.text[asked.end :].rstrip()) is None or _is_colour(prompt, prompt.words[prompt.words.index(asked) - 1]):
        return
    things = {word.text: word for word in said[:-1]}
    colour, others = named[asked.text], [thing for thing in named if thing != asked.text]
    roles = {"asked": asked, "thing": things[asked.text], "color": colour}
    right = (prompt.continued(colour.text),)
    for other in prompt.shuffled(others):
        # the counterfactual's own answer first, which it is compared with
        wrongs = tuple(prompt.continued(named[thing].text) for thing in sorted(others, key=lambda thing: thing != other))
        yield Case("question", prompt.replaced({asked: other}), right, wrongs, f"the {other} is asked for instead of the {asked.text}", roles)
        if _same_article(colour, named[other]):
            swapped = prompt.replaced({colour: named[other].text, named[other]: colour.text})
            yield Case("colors", swapped, right, wrongs, f"the {asked.text} and the {other} exchange their colours", roles)


def _is_colour(prompt: Prompt, word: Word) -> bool:
    return prompt.lexicon.is_a(word.text, "colour")


def _same_article(a: Word, b: Word) -> bool:
    return (a.text[0] in "aeiou") == (b.text[0] in "aeiou")


_TWO = "{c!a:colour} {x:object} and {d!a:colour} {y:object}"
_THREE = "{c!a:colour} {x:object}, {d!a:colour} {y:object} and {e!a:colour} {z:object}"
_OPENINGS = ("On the {{s}}, there is {things}.", "On the {{s}}, I see {things}.", "{{n:name}} had {things}.", "There is {things} in the {{place}}.")
_QUESTIONS = (
    "The {asked} is",
    "The color of the {asked} is",
    "What color is the {asked}? It is",
)

COLORED_OBJECTS = Template(
    "colored_objects",
    "Which colour has the thing that is asked for?",
    'Merullo et al. 2024, "Circuit component reuse across tasks in transformer language models"',
    tuple(
        f"{opening.format(things=things)} {question.format(asked=asked)}".replace("{s}", surface)
        for things, slots in ((_TWO, "xy"), (_THREE, "xyz"))
        for opening, surface in zip(_OPENINGS, ("table", "shelf", "", ""), strict=True)
        for question in _QUESTIONS
        for asked in (f"{{{slot}}}" for slot in slots)
    ),
    color_of_the_thing,
    {
        "question": "another one of the things is asked for",
        "colors": "the thing and another one exchange their colours",
    },
)
