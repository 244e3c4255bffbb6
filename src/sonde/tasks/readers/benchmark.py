"""The material of the Mechanistic Interpretability Benchmark (Mueller et al. 2025): words and templates from which prompts are drawn.

`indirect_objects`: its templates, with the names, places and objects beside them. `coloured_objects`: a multiple-choice question for each object and
its colour. `cities`: a fact about each city (RAVEL, Huang et al. 2024).
"""

import random
import re
from collections.abc import Iterator

from sonde.results import InputError
from sonde.tasks.gathering import Example, Misfit
from sonde.tasks.own.document import Data
from sonde.tasks.own.template import SlotTemplate
from sonde.tasks.readers.source import Format, Source
from sonde.tasks.tables import Record

_LISTS = {"names.json": ("s", "io"), "places.json": ("place",), "objects.json": ("object",)}


def _indirect_objects(source: Source) -> SlotTemplate:
    folder = source.file.parent
    missing = [name for name in _LISTS if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{source.file} holds templates only: put {', '.join(missing)} beside it, a list of words each")
    # the article is drawn with its object, so that templates which differ in it are one
    texts = dict.fromkeys(re.sub(r"\ban? \{object\}", "{object!a}", row["word"]) for row in source.rows)
    frames = [_named(text, *order) for text in texts for order in (("s", "io"), ("io", "s"))]
    used = {name for text in frames for name in re.findall(r"\{(\w+)", text)}
    return SlotTemplate.of(
        {
            "name": "indirect_objects", "question": "Who gets the gift?",
            "slots": {slot: {"file": name} for name, slots in _LISTS.items() for slot in slots if slot in used},
            "frames": list(frames), "answer": "{io}", "wrong": "{s}",
            "counterfactual": {"swapped": {"s#2": "{io}"}, "stranger": {"s#2": "other"}},
            "spans": {"receiver": "io", "giver": "s#1", "giver again": "s#2"},
        },
        folder,
    )  # fmt: skip


def _named(text: str, first: str, second: str) -> str:
    """The names of a template as slots: the third one is said a second time."""
    return text.replace("name_A", first).replace("name_B", second).replace("name_C", "s")


def _coloured_objects(source: Source) -> Iterator[Example | Misfit]:
    rng, colours = random.Random(source.seed), sorted({row["color"] for row in source.rows})
    return source.each(lambda row: _question(row, colours, rng))


def _question(row: Record, colours: list[str], rng: random.Random) -> Example:
    """Four choices; in the counterfactual the right one changes its place with another, so that another letter is right."""
    choices = rng.sample([colour for colour in colours if colour != row["color"]], 3)
    right, other = rng.sample(range(4), 2)
    choices.insert(right, row["color"])
    swapped = list(choices)
    swapped[right], swapped[other] = swapped[other], swapped[right]
    letters = [" A", " B", " C", " D"]
    wrongs = [letters[other], *(letter for i, letter in enumerate(letters) if i not in (right, other))]
    clean, corrupt = (
        f"Question: The {row['object']} is {row['color']}. What color is the {row['object']}?"
        + "".join(f"\n{letter.strip()}. {choice}" for letter, choice in zip(letters, order, strict=True))
        + "\nAnswer:"
        for order in (choices, swapped)
    )
    return Example(clean, corrupt, (letters[right],), tuple(wrongs))


_FRAMES = {"Country": "{city} is a city in the country of", "Continent": "{city} is a city in", "Language": "People in {city} speak"}


def _cities(source: Source) -> SlotTemplate:
    known: list[Data] = [f"{row['key']}/{row[source.variant]}" for row in source.rows if "/" not in row["key"] + row[source.variant]]
    return SlotTemplate.of(
        {
            "name": "cities", "question": f"What is the city's {source.variant.lower()}?",
            "slots": {"city": {"forms": ["city", "fact"], "words": known}},
            "frames": [_FRAMES[source.variant]], "answer": "{city/fact}", "counterfactual": {"another city": {"city": "other"}},
        }
    )  # fmt: skip


INDIRECT_OBJECTS = Format(
    "indirect_objects",
    "a list of templates with {name_A}, {name_B}, {name_C}; names, places and objects beside it",
    frozenset({"word"}),
    _indirect_objects,
)
COLOURED_OBJECTS = Format(
    "coloured_objects",
    "object, color: a multiple-choice question for each",
    frozenset({"object", "color"}),
    _coloured_objects,
    notes=("the questions were written by sonde: four choices, of which the counterfactual exchanges two",),
)
CITIES = Format(
    "cities",
    "an object of cities with Country, Continent, Language",
    frozenset({"key", "Country", "Continent", "Language"}),
    _cities,
    tuple(_FRAMES),
    ("the prompts were written by sonde; cities are drawn at random",),
)
