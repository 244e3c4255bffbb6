"""What `sonde behaviour audit` audits: the credit example, a template in a language model, or a classifier trained on a table."""

import argparse
import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sonde.access import Metric, Model
from sonde.behaviour import Encoder, GroupMetrics, Profiles, Table, credit, group_metrics, in_table, read_table, texts, train_classifier
from sonde.behaviour.audit.changes import Implied
from sonde.loading import load
from sonde.results import InputError
from sonde.tasks import LogitDifference

TRAINED_ON = 0.7
ATTRIBUTES = {"adult": "sex,race", "german": "sex,foreign-worker", "compas": "sex,race", "csv": ""}


@dataclass(frozen=True, eq=False)
class Audited:
    """What is audited.

    Arguments:
        model, profiles, attributes, of, implied: as `sonde.behaviour.audit` takes them.
        others: profiles that are not audited, on which claims are tested.
        absent: what stands for an absent token or column in attributions.
        groups: group metrics by column.
        table: the rows that were held out, for rules; `None` for texts.
        encoder: how they are read.
        notes: what was decided.
    """

    model: Model
    profiles: Profiles
    attributes: Mapping[str, list[Any]]
    of: Metric
    implied: Implied
    others: Profiles
    absent: str
    groups: Mapping[str, GroupMetrics]
    table: Table | None = None
    encoder: Encoder | None = None
    notes: tuple[str, ...] = ()


def audited(arguments: argparse.Namespace) -> Audited:
    """What the command line asks about; exactly one of --text, --template and --data."""
    ways = {"--text": arguments.text, "--template": arguments.template, "--data": arguments.data}
    given = [name for name, value in ways.items() if value]
    if len(given) != 1:
        raise InputError(f"give one of --text, --template and --data; got {' and '.join(given) or 'none'}")
    if arguments.text:
        return _credit(arguments)
    return _template(arguments) if arguments.template else _table(arguments)


def _credit(arguments: argparse.Namespace) -> Audited:
    example = credit()
    mine, others = _halves(example.profiles, arguments)
    return Audited(example.model, mine, example.attributes, example.of, example.implied, others, "mean", {})


def _template(arguments: argparse.Namespace) -> Audited:
    values = _values(arguments.values)
    if len(values) < 1 or not arguments.target or not arguments.foil:
        raise InputError("--template needs --target and --foil, the two answers, and --values NAME=A,B for each slot")
    model = load(arguments.model)
    if model.tokenizer is None:
        raise InputError(f"{arguments.model} has no tokenizer, so it reads no texts: audit it with --data")
    rows = [dict(zip(values, row, strict=True)) for row in itertools.product(*values.values())]
    of = LogitDifference(model.tokenizer.single(arguments.target), model.tokenizer.single(arguments.foil))
    mine, others = _halves(texts(arguments.template, rows), arguments)
    changed = {name: chosen for name, chosen in values.items() if len(chosen) > 1}
    wanted = _names(arguments.attributes) or list(changed)
    missing = [name for name in wanted if name not in values]
    if missing:
        raise InputError(f"--attributes names {missing[0]!r}, which has no --values")
    return Audited(model, mine, {name: values[name] for name in wanted}, of, _implied(arguments), others, "mean", {})


def _table(arguments: argparse.Namespace) -> Audited:
    table = read_table(arguments.data, arguments.format, arguments.target or "")
    if len(table.classes) != 2:
        raise InputError(f"{arguments.data} has {len(table.classes)} classes ({', '.join(table.classes[:6])}); an audit speaks of two")
    train, test = table.split(TRAINED_ON, arguments.seed)
    encoder = Encoder.fit(table)
    model = train_classifier(train, encoder, arguments.hidden, seed=arguments.seed)
    with torch.no_grad():
        probability = model.run(encoder(test.rows())).logits.softmax(-1)[:, 1]
    accuracy = float(((probability > 0.5).long() == test.labels).double().mean())
    mine, others = _halves(in_table(test, encoder), arguments)
    given = _values(arguments.values)
    names = _names(arguments.attributes or ATTRIBUTES[arguments.format]) or list(given)
    if not names:
        raise InputError(f"name the columns to change with --attributes, such as {next(iter(encoder.kinds))}")
    groups = {name: _grouped(probability, test, name, model, arguments.seed) for name in _names(arguments.groups)}
    if arguments.format == "compas":
        scores = torch.tensor([float(score) for score in test.column("decile_score")])
        groups |= {
            f"{name}, by the COMPAS score": group_metrics(
                scores, test.labels, [str(v) for v in test.column(name)], above=4, probabilities=False, seed=arguments.seed
            )
            for name in _names(arguments.groups)
        }
    return Audited(
        model=model,
        profiles=mine,
        attributes={name: given.get(name) or _tried(table, encoder, name) for name in names},
        of=LogitDifference([1], [0]),
        implied=_implied(arguments),
        others=others,
        absent="zero",
        groups=groups,
        table=test,
        encoder=encoder,
        notes=(*table.notes, f"{model.name}, trained on {len(train)} rows, is right on {accuracy:.1%} of {len(test)} others"),
    )


def _grouped(probability: Tensor, table: Table, name: str, model: Model, seed: int) -> GroupMetrics:
    return group_metrics(probability, table.labels, [str(v) for v in table.column(name)], seed=seed, model_hash=model.hash)


def _tried(table: Table, encoder: Encoder, name: str) -> list[Any]:
    """The values of a column; of a number its first, middle and ninth decile."""
    if name not in encoder.kinds:
        raise InputError(f"the model reads no column {name!r}: it reads {', '.join(encoder.kinds)}")
    if encoder.kinds[name] == "categorical":
        return list(dict.fromkeys(table.column(name)))
    numbers = torch.tensor([float(v) for v in table.column(name)])
    return list(dict.fromkeys(numbers.quantile(torch.tensor([0.1, 0.5, 0.9]), interpolation="nearest").tolist()))


def _halves(profiles: Profiles, arguments: argparse.Namespace) -> tuple[Profiles, Profiles]:
    """Profiles to audit, and others to test claims on."""
    order = list(range(len(profiles)))
    random.Random(arguments.seed).shuffle(order)
    n = min(arguments.cases, max(1, len(order) // 2)) if arguments.check else min(arguments.cases, len(order))
    return profiles.select(order[:n]), profiles.select(order[n : 2 * n] or order[:n])


def _values(given: list[str]) -> dict[str, list[Any]]:
    """`age=25,40` as values; what is a number in a table is read by its encoder."""
    found = {}
    for text in given:
        name, equals, values = text.partition("=")
        if not equals or not name or not values:
            raise InputError(f"--values {text!r}: give NAME=A,B with the values to try")
        found[name] = values.split(",")
    return found


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _implied(arguments: argparse.Namespace) -> Implied:
    if not arguments.implied:
        return {}
    import yaml

    try:
        found = yaml.safe_load(Path(arguments.implied).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{arguments.implied} can't be read: {' '.join(str(error).split())}") from None
    nested = isinstance(found, dict) and all(isinstance(one, dict) and all(isinstance(two, dict) for two in one.values()) for one in found.values())
    if not nested:
        raise InputError(f"{arguments.implied} holds no implications: write name: {{gender: {{John: man, Suzan: woman}}}}")
    return found
