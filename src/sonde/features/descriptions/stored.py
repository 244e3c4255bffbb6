"""A recording out of a feature database, without the model."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sonde.bases import Codes
from sonde.features.descriptions.promotions import MOST, limit
from sonde.features.descriptions.recording import DENSE, Recording, sparsened
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.features.database import Features


def stored(features: "Features", dense: float = DENSE) -> Recording:
    """What a database holds, as explainers and judges need it.

    Arguments:
        features: with all its codes: where only examples were kept, it can't be told where a latent was silent.
        dense: a latent that is positive on more tokens than this share counts as firing on so many, its highest.

    Raises:
        InputError: a database of examples only, or of items that are no text.
    """
    if features.items != "tokens":
        raise InputError(f"{features.folder} was collected over {features.items} that are no text, and descriptions speak of tokens")
    storage = features.storage
    if features.kept != "all":
        # Nothing honest is left to do with examples. A code that was not kept looks like silence, so rules ("fires on so many of these tokens"),
        # detection, simulation, embedding and intruder would be told wrong, silent places; and fuzzing, which needs firing windows alone, would get
        # them drawn around what fires, whose place in the window gives the answer away.
        firings = int(storage.rows("SELECT sum(firings) AS n FROM latents")[0]["n"])
        raise InputError(
            f"{features.folder} keeps examples only, so where its features are silent can't be told: collect again with keep={firings} (--keep "
            f"{firings}) or more, or describe a recording (sonde.features.record), which takes no database"
        )
    ids, bounds = torch.from_numpy(storage.ids.astype("int64")), torch.from_numpy(storage.offsets.astype("int64"))
    counted = ~torch.isin(ids, torch.tensor(list(features.recipe.arguments["left_out"]), dtype=torch.long))
    lengths = torch.stack([part.sum() for part in counted.split(bounds.diff().tolist())])
    lengths = lengths[lengths > 0]
    found = storage.arrays("SELECT latent, sequence, position, value FROM codes WHERE value > 0 ORDER BY sequence, position, latent")
    column = {name: torch.from_numpy(values.astype("float32" if name == "value" else "int64")) for name, values in found.items()}
    place = (counted.cumsum(0) - 1)[bounds[column["sequence"]] + column["position"]]
    counts = torch.bincount(place, minlength=int(counted.sum()))
    codes, cut = sparsened(Codes(column["value"], column["latent"], counts.cumsum(0) - counts, features.size), dense)
    about = features.about()
    notes = (f"{cut} of {features.size} latents are positive on more than {dense:.1%} of the tokens and fire on their highest {dense:.1%}",)
    return Recording(
        ids[counted], lengths.cumsum(0) - lengths, tuple(storage.texts(range(int(ids.max()) + 1))), codes, _nearest(features), _promoted(features),
        features.recipe.model_hash, {"model": about["model"], "site": about["site"], "basis": about["basis"], "basis_hash": about["basis_hash"]},
        notes if cut else (),
    )  # fmt: skip


def _nearest(features: "Features") -> Tensor | None:
    if "nearest" not in features.storage.columns:
        return None
    rows = features.storage.rows("SELECT nearest FROM latents ORDER BY latent")
    return torch.tensor([list(row["nearest"]) for row in rows], dtype=torch.long)


def _promoted(features: "Features") -> dict[int, tuple[str, ...]]:
    """By latent the tokens that stand out, where the database knows the effects on the logits."""
    if "logits_top" not in features.storage.columns:
        return {}
    columns = "latent, logits_top, logits_top_values, logits_low, logits_high, logits_histogram"
    found = {}
    for row in features.storage.rows(f"SELECT {columns} FROM latents ORDER BY latent"):
        least = limit(sum(row["logits_histogram"])) * _deviation(row)
        ids: Sequence[int] = [i for i, value in zip(row["logits_top"], row["logits_top_values"], strict=True) if value > least > 0][:MOST]
        if ids:
            found[int(row["latent"])] = tuple(features.storage.texts(ids))
    return found


def _deviation(row: dict[str, Any]) -> float:
    """The standard deviation of the effects on all tokens, which are centred, from their histogram."""
    counts = row["logits_histogram"]
    step = (row["logits_high"] - row["logits_low"]) / len(counts)
    squares = sum(n * (row["logits_low"] + (i + 0.5) * step) ** 2 for i, n in enumerate(counts))
    return math.sqrt(squares / max(1, sum(counts)))
