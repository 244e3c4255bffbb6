"""A SyntaxGym suite: items in several conditions, cut into regions, and formulas that say where a model that knows the grammar is surprised.

(Gauthier et al. 2020, "SyntaxGym: an online platform for targeted evaluation of language models".) A sentence is its regions in a row, one space
between two of them, empty ones left out, as in the original: so a region that is a full stop has a space before it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonde.behaviour.formula import Formula, parse
from sonde.behaviour.words import Span
from sonde.results import InputError, shown
from sonde.results.plain import repeated

EXAMPLES = {file.stem: file for file in sorted((Path(__file__).parent / "examples").glob("*.json"))}
"""Suites in the words of `specimen:words`, by name."""
METRICS = ("sum", "mean", "median", "range", "max", "min")


@dataclass(frozen=True)
class Sentence:
    """An item in one condition.

    Arguments:
        regions: by number, in their order, the text of each; empty for a region that this sentence lacks.
    """

    regions: Mapping[int, str]

    @property
    def text(self) -> str:
        """The regions in a row."""
        return " ".join(filter(None, self.regions.values()))

    @property
    def spans(self) -> dict[int, Span]:
        """Where each region that is not empty stands in the text, in characters."""
        spans, at = {}, 0
        for number, content in self.regions.items():
            if content:
                spans[number] = (at, at + len(content))
                at += len(content) + 1
        return spans


@dataclass(frozen=True)
class Item:
    """One item: the same material in several conditions.

    Arguments:
        number: its number in the suite.
        conditions: by name.
    """

    number: int
    conditions: Mapping[str, Sentence]


@dataclass(frozen=True)
class Suite:
    """A suite.

    Arguments:
        name: its name.
        metric: how the surprisals of a region's tokens become one value.
        regions: the names of the regions, by number.
        predictions: what should hold.
        items: those that could be read.
        bad: the others: which, and why.
    """

    name: str
    metric: str
    regions: Mapping[int, str]
    predictions: tuple[Formula, ...]
    items: tuple[Item, ...]
    bad: tuple[str, ...] = ()

    @property
    def conditions(self) -> dict[str, frozenset[int]]:
        """The names of the conditions, each with the numbers of its regions, over all items."""
        found: dict[str, set[int]] = {}
        for item in self.items:
            for name, sentence in item.conditions.items():
                found.setdefault(name, set()).update(sentence.regions)
        return {name: frozenset(numbers) for name, numbers in found.items()}

    @property
    def content(self) -> list[Any]:
        """What its result depends on, as plain data."""
        items = [[item.number, {name: list(s.regions.items()) for name, s in item.conditions.items()}] for item in self.items]
        return [self.metric, [prediction.text for prediction in self.predictions], items]


def read_suite(source: str | Path | Mapping[str, Any]) -> Suite:
    """Read a suite.

    An item that is malformed is left out, named in `bad`, and the rest goes on; a formula that is malformed, or speaks of a region or condition
    that no item has, refuses the suite.

    Arguments:
        source: a file in SyntaxGym's JSON, the name of an example (one of `EXAMPLES`), or the JSON as plain data.

    Raises:
        InputError: no such file, no JSON, a part that is missing or malformed, or no item that can be read.

    >>> suite = read_suite("number_agreement")
    >>> print(suite.predictions[0], suite.items[0].conditions["sg_match"].text, sep="; ")
    (5;%sg_match%) < (5;%sg_mismatch%); The tree beside the doctors is green.
    """
    where, data = ("the suite", source) if isinstance(source, Mapping) else _loaded(source)
    if not isinstance(data, Mapping):
        raise InputError(f"{where} holds {shown(data, 40)}, and a suite is an object with meta, region_meta, predictions and items")
    meta, names, predictions, entries = (
        _part(data, where, name, kind) for name, kind in (("meta", Mapping), ("region_meta", Mapping), ("predictions", Sequence), ("items", Sequence))
    )
    metric = meta.get("metric", "sum")
    if metric not in METRICS:
        raise InputError(f"{where}: the metric {metric!r} is none of {', '.join(METRICS)}")
    items: list[Item] = []
    bad: list[str] = []
    for place, entry in enumerate(entries, 1):
        try:
            items.append(_item(entry, place, [item.number for item in items]))
        except InputError as error:
            bad.append(str(error))
    if not items:
        raise InputError(f"{where} has no item that can be read{': ' + bad[0] if bad else ''}")
    regions = {_number(number, where): str(name) for number, name in names.items()}
    formulas = tuple(_formula(entry, f"{where}, prediction {i}") for i, entry in enumerate(predictions, 1))
    if not formulas:
        raise InputError(f"{where} has no predictions: give at least one formula")
    suite = Suite(str(meta.get("name", "suite")), metric, regions, formulas, tuple(items), tuple(bad))
    for i, formula in enumerate(formulas, 1):
        try:
            formula.refuse_unknown(suite.conditions)
        except InputError as error:
            raise InputError(f"{where}, prediction {i}: {error}") from None
    return suite


def _loaded(source: str | Path) -> tuple[str, Any]:
    file = EXAMPLES.get(str(source), Path(source).expanduser())
    if not file.is_file():
        raise InputError(f"there is no file {file}: give a suite in SyntaxGym's JSON, or one of the examples {', '.join(EXAMPLES)}")
    try:
        return str(file), json.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text in UTF-8 (byte {error.start}): give a suite in SyntaxGym's JSON") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{file} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None


def _part(data: Mapping[str, Any], where: str, name: str, kind: type) -> Any:
    value = data.get(name)
    if not isinstance(value, kind) or isinstance(value, str):
        raise InputError(f"{where} needs {name!r}, {'an object' if kind is Mapping else 'a list'}; it has {shown(value, 40)}")
    return value


def _formula(entry: Any, where: str) -> Formula:
    if not isinstance(entry, Mapping) or entry.get("type", "formula") != "formula" or "formula" not in entry:
        raise InputError(f"{where} is {shown(entry, 60)}, and must be an object with the type 'formula' and a formula")
    try:
        return parse(entry["formula"])
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _item(entry: Any, place: int, taken: Sequence[int]) -> Item:
    number = entry.get("item_number", place) if isinstance(entry, Mapping) else place
    where = f"item {number}"
    if not isinstance(entry, Mapping):
        raise InputError(f"{where} is {shown(entry, 40)}, no object with conditions")
    number = _number(number, "an item")
    if number in taken:
        raise InputError(f"{where}: the number is used twice")
    conditions = {}
    for condition in _part(entry, where, "conditions", Sequence):
        if not isinstance(condition, Mapping) or not isinstance(condition.get("condition_name"), str):
            raise InputError(f"{where} has a condition without a condition_name: {shown(condition, 60)}")
        name = condition["condition_name"]
        if name in conditions:
            raise InputError(f"{where} has the condition {name!r} twice")
        conditions[name] = _sentence(_part(condition, f"{where}, condition {name!r}", "regions", Sequence), f"{where}, condition {name!r}")
    if not conditions:
        raise InputError(f"{where} has no conditions")
    return Item(number, conditions)


def _sentence(entries: Sequence[Any], where: str) -> Sentence:
    numbers, contents = [], []
    for region in entries:
        if not isinstance(region, Mapping) or not isinstance(region.get("content"), str) or "region_number" not in region:
            raise InputError(f"{where} has a region without region_number or content: {shown(region, 60)}")
        numbers.append(_number(region["region_number"], where))
        contents.append(region["content"].strip())
    if twice := repeated(list(map(str, numbers))):
        raise InputError(f"{where} has region {twice[0]} twice")
    sentence = Sentence(dict(zip(numbers, contents, strict=True)))
    if not sentence.text:
        raise InputError(f"{where} is empty")
    return sentence


def _number(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdecimal():
        raise InputError(f"{where} has the number {shown(value, 40)}: give a whole number")
    return int(value)
