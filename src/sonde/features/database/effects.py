"""What a latent does in its examples: on the loss of each token, and on the tokens that the model expects after it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sonde.access import Model
from sonde.features.database.ablation import next_losses, read_codes, refuse_others, without
from sonde.features.records import Effect, Effects, Example, Move, Record, Weight
from sonde.results import SiteUnavailable

if TYPE_CHECKING:
    from sonde.features.database.features import Features

MOVED = 5
LOGITS = 2**25
"""Logits of one pass: 128 MB in float32."""


def effects(features: "Features", model: Model, record: Record) -> Effects:
    """The effects in all examples of a record.

    Arguments:
        features: of the record.
        model: from which they were collected.
        record: of the latent.

    Raises:
        CheckRefused: another model. InputError: no basis at hand. SiteUnavailable: a model that predicts no next token.
    """
    refuse_others(features, model)
    if not model.architecture.unembed or not model.architecture.causal:
        raise SiteUnavailable(f"{model.name} predicts no next token, so there is no loss that a latent could change")
    examples = [*record["strongest"], *(example for interval in record["intervals"] for example in interval["examples"])]
    # what comes after a context can't reach back into it; a context that is shown twice is run once
    ends = {(e["sequence"], e["start"], len(e["tokens"])): e for e in examples}
    found: dict[tuple[int, int, int], Effect] = {}
    for keys in _batches(sorted(ends, key=lambda key: key[1] + key[2]), model.architecture.d_vocab):
        found |= zip(keys, _of_batch(features, model, record["latent"], [ends[key] for key in keys]), strict=True)
    return Effects(latent=record["latent"], examples=[found[(e["sequence"], e["start"], len(e["tokens"]))] for e in examples])


def _batches(keys: list[tuple[int, int, int]], vocabulary: int) -> Iterator[list[tuple[int, int, int]]]:
    """Contexts of like length together, the shortest first."""
    batch: list[tuple[int, int, int]] = []
    for key in keys:
        if batch and (len(batch) + 1) * (key[1] + key[2]) * vocabulary > LOGITS:
            yield batch
            batch = []
        batch.append(key)
    yield batch


def _of_batch(features: "Features", model: Model, latent: int, examples: list[Example]) -> list[Effect]:
    if not examples:
        return []
    rows = [features.storage.sequence(e["sequence"])[: e["start"] + len(e["tokens"])].tolist() for e in examples]
    read = read_codes(features, model, rows, logits=True)
    values = read.of(latent)
    for i, row in enumerate(rows):
        values[i, len(row) :] = 0
    clean, gone = read.run.logits.float().cpu(), without(features, model, rows, values, [latent] * len(rows)).logits.float().cpu()
    rises = [b - a for a, b in zip(next_losses(clean, rows), next_losses(gone, rows), strict=True)]
    found = []
    for i, example in enumerate(examples):
        start = example["start"]
        before = [None, *rises[i].tolist()]
        active = [place for place in range(len(example["tokens"])) if example["values"][place] != 0]
        moved = [_moved(model, place, clean[i, start + place] - gone[i, start + place]) for place in active]
        found.append(Effect(loss=before[start:], moved=moved))
    return found


def _moved(model: Model, place: int, difference: Tensor) -> Move:
    most = min(MOVED, len(difference))
    difference = difference - difference.mean()
    up, down = difference.topk(most), torch.topk(difference, most, largest=False)
    return Move(place=place, up=_weights(model, up.indices, up.values), down=_weights(model, down.indices, down.values))


def _weights(model: Model, ids: Tensor, values: Tensor) -> list[Weight]:
    texts = model.tokenizer.strings(ids.tolist()) if model.tokenizer else [str(i) for i in ids.tolist()]
    return [Weight(token=text, value=float(value)) for text, value in zip(texts, values, strict=True)]
