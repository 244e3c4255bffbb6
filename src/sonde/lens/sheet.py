"""A blinded sheet of value vectors: people rate and name lists of tokens without knowing which were made of shuffled vectors.

Three files, in the form of the sheets of features, which `sonde.features.read_sheet` reads back: `sheet.html` shows the lists, `sheet.csv` takes a
rating from 1 to 5, a pattern (semantic, syntactic, both, none) and words for each, `key.json` says what they are; keep it closed.
"""

import csv
import html
import json
from dataclasses import asdict
from pathlib import Path

import torch

from sonde.lens.values import ValueVectors
from sonde.results import InputError, Recipe

GROUPS = ("value vectors", "entries shuffled")
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Lists of tokens</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}li{{margin:.6rem 0}}
code{{background:#eee;border-radius:3px;padding:1px 4px;margin-right:4px;white-space:pre}}</style>
<h1>Lists of tokens</h1>
<p>Rate each list in <code>sheet.csv</code>: from 1 (nothing in common) to 5 (one clear rule). Under <code>pattern</code> write semantic, syntactic,
both or none, under <code>words</code> what the tokens have in common.</p><ol>{items}</ol></html>
"""


def value_sheet(values: ValueVectors, folder: str | Path, n: int = 50, seed: int = 0) -> Path:
    """Write a sheet of neurons drawn at random and as many shuffled ones, in random order.

    Arguments:
        values: what was read.
        folder: for the files; made if it is missing.
        n: items of each kind.
        seed: of the draws.

    Returns:
        The page to open.

    Raises:
        InputError: more items than neurons; a folder that holds a sheet already.
    """
    place, size = Path(folder), values.score.shape[1]
    if not 1 <= n <= values.score.numel():
        raise InputError(f"n={n}: there are {values.score.numel()} neurons to draw from")
    if (place / "sheet.csv").exists():
        raise InputError(f"{place} holds a sheet already, which may have ratings: choose another folder")
    generator = torch.Generator().manual_seed(seed)
    items = []
    for group, ids in zip(GROUPS, (values.promotes, values.shuffled), strict=True):
        for i in torch.randperm(values.score.numel(), generator=generator)[:n].tolist():
            items.append((group, values.layers[i // size] * size + i % size, [values.names[str(j)] for j in ids[i // size, i % size].tolist()]))
    order = torch.randperm(len(items), generator=generator).tolist()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{place} cannot be made a folder ({error.strerror}): choose another place for the sheet") from None
    lists = ["<li>" + " ".join(f"<code>{html.escape(token)}</code>" for token in items[i][2]) + "</li>" for i in order]
    (place / "sheet.html").write_text(PAGE.format(items="\n".join(lists)), encoding="utf-8")
    with (place / "sheet.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [(k + 1, " ".join(items[i][2]), "", "", "") for k, i in enumerate(order)]
        csv.writer(file).writerows([("item", "tokens", "rating", "pattern", "words"), *rows])
    arguments = {"groups": list(GROUPS), "n": n}
    recipe = Recipe.of("sonde.lens.value_sheet", arguments, model_hash=values.recipe.model_hash, inputs=values.promotes, seed=seed)
    key = {"items": [{"item": k + 1, "group": items[i][0], "latent": items[i][1]} for k, i in enumerate(order)], "recipe": asdict(recipe)}
    (place / "key.json").write_text(json.dumps(key, indent=1), encoding="utf-8")
    return place / "sheet.html"
