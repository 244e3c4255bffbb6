"""How the shipped probes were made: the table of a dozen properties of the small world, and of each the probe and the eraser at every layer.

Single precision is what is kept, and what the figures were measured on: probes are fitted in it, and an edit casts erasers to the model's precision.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from sonde.access import Model
from sonde.bases import Moments
from sonde.probing.amnesic import SHARE
from sonde.probing.data import words
from sonde.probing.division import divide
from sonde.probing.erasure import erase
from sonde.probing.labelled import Labelled
from sonde.probing.probes import LinearProbe
from sonde.probing.property_table import property_table
from sonde.probing.property_table_results import PropertyTable
from sonde.probing.reading import read_together
from sonde.probing.shipped.stored import ShippedProbes
from sonde.results import InputError, Recipe

PROPERTIES = (
    "a country", "a plural noun", "a woman's name", "the subject", "the giver", "the receiver", "the gift", "after a plural subject",
    "after a woman as subject", "in the past tense", "in a document of tense", "in a document of colored_objects",
)  # fmt: skip
DOCUMENTS, SEED = 2000, 0
TEXTS, TEXT_SEED = 96, 1
"""What the model predicts with and without each property: documents that none of them was fitted on."""
DRAWS, SEEDS = 8, 3
BYTES = 1_000_000
"""The most that they may take."""


def asked() -> dict[str, Labelled]:
    """The properties with their examples, all of the same documents."""
    return {name: words(name, DOCUMENTS, SEED) for name in PROPERTIES}


def texts() -> list[str]:
    """What the model predicts."""
    from sonde.specimens.words import documents

    return [document.text for document in documents(n=TEXTS, seed=TEXT_SEED)]


def make(model: Model, folder: Path, properties: Mapping[str, Labelled] | None = None, draws: int = DRAWS, seeds: int = SEEDS) -> ShippedProbes:
    """Make the table, which goes to `folder/table` unless it is there already, and from it the probes, which go to `folder/words`.

    Arguments:
        model: `specimen:words`.
        folder: where both go.
        properties: by default those that are shipped; two classes each.
        draws, seeds: of the table.

    Raises:
        InputError: probes that take more than is allowed.
    """
    given = asked() if properties is None else properties
    if (folder / "table").is_dir():
        table = PropertyTable.load(folder / "table")
        table.refuse_other(model)
    else:
        table = property_table(model, given, texts(), draws=draws, seeds=seeds, progress=True)
        table.save(folder / "table")
    found = probes_of(model, table, given)
    found.save(folder / "words")
    taken = sum(file.stat().st_size for file in (folder / "words").iterdir())
    if taken > BYTES:
        raise InputError(f"the probes in {folder / 'words'} take {taken:,} bytes, and {BYTES:,} are allowed: ask for fewer properties or sites")
    return found


def probes_of(model: Model, table: PropertyTable, properties: Mapping[str, Labelled]) -> ShippedProbes:
    """The probes of a table with the erasers that its verdicts are about, fitted again on the same examples.

    Arguments:
        model: that the table is of.
        table: of properties with two classes, by logistic probes and LEACE.
        properties: of the table.

    Raises:
        InputError: a property of more classes.
    """
    moments = [Moments(model.d_model) for _ in table.sites]
    weight, bias, erasers = [], [], []
    for sweep, states in zip(table.sweeps, read_together(model, list(properties.values()), table.sites), strict=True):
        if len(sweep.classes) != 2:
            raise InputError(f"{sweep.name!r} has {len(sweep.classes)} classes, and shipped probes tell yes from no")
        train, _ = divide(states.data.groups, SHARE, table.recipe.seed or 0)
        for site, probe, sums in zip(table.sites, sweep.probes, moments, strict=True):
            assert isinstance(probe, LinearProbe)
            x = states[site][train]
            sums.update(x)
            weight.append(probe.weight[1] - probe.weight[0])
            bias.append(probe.bias[1] - probe.bias[0])
            erasers.append(erase(x, states.y[train]))
    shape = (len(table.names), len(table.sites), model.d_model)
    centre, encoder, decoder = (
        torch.stack(parts).float().view(shape)
        for parts in ([one.centre for one in erasers], [one.encoder[0] for one in erasers], [one.decoder[0] for one in erasers])
    )
    given = {"properties": table.names, "documents": DOCUMENTS, "texts": TEXTS}
    recipe = Recipe.of("sonde.probing.shipped.make", given, model_hash=model.hash, inputs=table.recipe.inputs_hash, seed=table.recipe.seed)
    return ShippedProbes(
        table.names, table.sites, torch.stack(weight).view(shape), torch.stack(bias).view(shape[:2]), centre, encoder, decoder,
        torch.stack([sums.covariance for sums in moments]).float(), table.to_frame(), [table.used_at(name) for name in table.names], recipe=recipe,
    )  # fmt: skip
