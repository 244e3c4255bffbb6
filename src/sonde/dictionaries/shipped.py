"""The dictionaries that come with `specimen:words`: three sizes, two seeds, after the second of its four blocks.

    python -m sonde.dictionaries.shipped [FOLDER]

trains them again, in one pass over text of the words world, resumable; half precision is what is kept, and what their figures are measured on.
"""

import json
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sonde import bases
from sonde.access import Model
from sonde.dictionaries.architectures import TopK
from sonde.dictionaries.dictionary import Dictionary
from sonde.dictionaries.store import Live
from sonde.dictionaries.training import Job, fit
from sonde.results import InputError

MODEL, SITE = "specimen:words", "blocks.1.resid_post"
SIZES, SEEDS, K = (256, 512, 1024), (0, 1), 16
ACTIVATIONS, BATCH = 2_000_000, 4096
DOCUMENTS, TEXT_SEED = 100_000, 31
HELD_SEED = 32
WEIGHTS = Path(__file__).with_name("weights")


@cache
def shipped(size: int = 512, seed: int = 0) -> Dictionary:
    """A dictionary of `specimen:words` at `blocks.1.resid_post`.

    Arguments:
        size: 256, 512 or 1024 latents.
        seed: 0 or 1.

    Raises:
        InputError: none of these.

    >>> shipped(256)
    Dictionary(256 latents of 128 entries, topk 16)
    """
    if size not in SIZES or seed not in SEEDS:
        raise InputError(f"size={size}, seed={seed}: shipped are sizes {', '.join(map(str, SIZES))} with seeds {', '.join(map(str, SEEDS))}")
    stored = bases.load(WEIGHTS / f"words-{size}-{seed}")
    assert isinstance(stored, Dictionary)
    return _cast(stored, torch.float32)


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
    jobs = [Job(TopK(k=K, size=size), seed=seed, name=f"words-{size}-{seed}") for size in SIZES for seed in SEEDS]
    source = Live(model, text(), SITE, rows=activations, seed=0)
    results = fit(jobs, source, activations=activations, batch=BATCH, folder=folder / "training")
    held = torch.cat(list(Live(model, text(2000, HELD_SEED), SITE, buffer=4096).batches(4096)))
    figures = {}
    for job, result in zip(jobs, results, strict=True):
        # one file for each weight: no normaliser, nothing taken away, directions of length 1
        dictionary = result.dictionary.folded().with_unit_directions()
        metadata = {**dictionary.metadata, "model": MODEL, "model_hash": model.hash, "command": "python -m sonde.dictionaries.shipped"}
        kept = replace(_cast(dictionary, torch.float16), metadata=metadata)
        kept.save(folder / str(job))
        figures[str(job)] = _measured(_cast(kept, torch.float32), held)
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


def _cast(dictionary: Dictionary, dtype: torch.dtype) -> Dictionary:
    return replace(dictionary, **{n: getattr(dictionary, n).to(dtype) for n in ("encoder", "encoder_bias", "decoder", "decoder_bias")})


if __name__ == "__main__":
    import sonde

    for name, found in make(sonde.load(MODEL), Path(sys.argv[1] if len(sys.argv) > 1 else WEIGHTS)).items():
        print(name, found)
