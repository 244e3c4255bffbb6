"""How the shipped dictionaries were trained: in one pass over text of the small world, resumable.

Half precision is what is kept, and what their figures are measured on.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sonde.access import Model
from sonde.dictionaries.architectures import TopK
from sonde.dictionaries.dictionary import Dictionary
from sonde.dictionaries.shipped.stored import MODEL, SEEDS, SITE, SIZES, K, cast
from sonde.dictionaries.store import Live
from sonde.dictionaries.training import Job, fit

ACTIVATIONS, BATCH, LR = 2_000_000, 4096, 5e-3
DOCUMENTS, TEXT_SEED = 100_000, 31
HELD_SEED = 32


def text(n: int = DOCUMENTS, seed: int = TEXT_SEED) -> list[Any]:
    """Documents of the words world.

    Arguments:
        n: how many.
        seed: of the documents.
    """
    from sonde.specimens.words import documents

    return list(documents(n=n, seed=seed))


def make(model: Model, folder: Path, activations: int = ACTIVATIONS) -> dict[str, dict[str, float]]:
    """Train them all in one pass, keep them in half precision, and measure what is kept on text that none of them saw.

    Arguments:
        model: `specimen:words`.
        folder: where they go; a training that was interrupted goes on from `folder/training`.
        activations: how many rows each learns from.
    """
    # what is shipped was made before TopK began weak latents again
    jobs = [Job(TopK(k=K, size=size, lr=LR, resample=None), seed=seed, name=f"words-{size}-{seed}") for size in SIZES for seed in SEEDS]
    source = Live(model, text(), SITE, rows=activations, seed=0)
    results = fit(jobs, source, activations=activations, batch=BATCH, folder=folder / "training")
    held = torch.cat(list(Live(model, text(2000, HELD_SEED), SITE, buffer=4096).batches(4096)))
    figures = {}
    for job, result in zip(jobs, results, strict=True):
        # one file for each weight: no normaliser, nothing taken away, directions of length 1
        dictionary = result.dictionary.folded().with_unit_directions()
        metadata = {**dictionary.metadata, "model": MODEL, "model_hash": model.hash, "command": "python -m sonde.dictionaries.shipped"}
        kept = replace(cast(dictionary, torch.float16), metadata=metadata)
        kept.save(folder / str(job))
        figures[str(job)] = _measured(cast(kept, torch.float32), held)
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return figures


def _measured(dictionary: Dictionary, held: Tensor) -> dict[str, float]:
    codes = dictionary.codes(held)
    missing = (held - dictionary.reconstruct(held)).double().pow(2).sum()
    alive = len(codes.latents.unique())
    return {
        "activations": len(held), "active": round(len(codes.values) / len(held), 2), "dead": round(1 - alive / dictionary.size, 4),
        "unexplained": round(float(missing / (held - held.mean(0)).double().pow(2).sum()), 4),
    }  # fmt: skip
