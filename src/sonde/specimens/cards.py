"""A card as it is kept beside the weights: as data for programs, as a page for people."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sonde.specimens.measures import Measure, as_rows
from sonde.specimens.registry import SPECIMENS


def write(
    folder: Path, name: str, parameters: int, recipe: Mapping[str, Any], measures: Sequence[Measure], controls: Sequence[Measure],
    limits: Sequence[str], log: Sequence[Mapping[str, Any]], more: Mapping[str, Any] | None = None,
    sections: Mapping[str, Sequence[str]] | None = None,
) -> None:  # fmt: skip
    """Write `card.json` and `card.md`.

    Arguments:
        folder: of the specimen.
        name: of the specimen.
        parameters: how many numbers the model holds.
        recipe: the settings it was trained with, its seed among them.
        measures: of the weights as they are stored.
        controls: the same measures of a network with the same numbers in random order.
        limits: what it can't do, and what was not shown.
        log: what it could do along the training.
        more: further entries of `card.json`.
        sections: further parts of the page: a title and its lines.
    """
    card = {
        "name": name,
        "summary": SPECIMENS[name].summary,
        "parameters": parameters,
        "recipe": dict(recipe),
        "command": f"sonde specimens train {name} --out DIR --seed {recipe['seed']}",
        "measures": as_rows(measures),
        "controls": as_rows(controls),
        "limits": list(limits),
        "log": list(log),
        **(more or {}),
    }
    (folder / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "card.md").write_text(markdown(card, sections or {}), encoding="utf-8")


def markdown(card: Mapping[str, Any], sections: Mapping[str, Sequence[str]]) -> str:
    """The card for people."""
    controls = {control["name"]: f"{control['value']:.3f}" for control in card["controls"]}
    lines = [
        f"# {card['name']}",
        "",
        f"{card['summary'].capitalize()}, {card['parameters']:,} parameters.",
        f"Made by `{card['command']}`, in {card['log'][-1]['seconds'] / 60:.1f} minutes.",
        "Measured on the shipped, rounded weights, on what training never saw;",
        "the control is the same measure of a network with the same weights in random order.",
        "",
        "| measure | value | 95 % interval | items | control | unit |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {m['name']} | {m['value']:.3f} | {m['low']:.3f} to {m['high']:.3f} | {m['n']} | {controls[m['name']]} | {m['unit']} |"
        for m in card["measures"]
    ]
    notes = [f"- {m['name']}: {m['note']}" for m in card["measures"] if m["note"]]
    blocks = [notes, *(["## " + title, "", *(f"- {line}" for line in told)] for title, told in {**sections, "Limits": card["limits"]}.items())]
    return "\n".join([*lines, "", *(line for block in blocks if block for line in (*block, ""))])
