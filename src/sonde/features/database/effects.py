"""What a latent does in its examples: on the loss of each token, and on the tokens that the model expects after it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.features.database.ablation import next_losses, read_codes, refuse_others, without
from sonde.features.records import Effect, Effects, Example, Move, Record, Weight
from sonde.results import SiteUnavailable

if TYPE_CHECKING:
    from sonde.features.database.features import Features

MOVED = 5
LOGITS = 2**22
"""Logits of one pass: 16 MB in float32; more would be padding."""


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
    active = [(i, place) for i, example in enumerate(examples) for place, value in enumerate(example["values"]) if value != 0]
    row, column = torch.tensor([(i, examples[i]["start"] + place) for i, place in active]).view(-1, 2).unbind(1)
    moves = _moves(model, [place for _, place in active], clean[row, column] - gone[row, column])
    found = []
    for i, example in enumerate(examples):
        before = [None, *rises[i].tolist()]
        found.append(Effect(loss=before[example["start"] :], moved=[move for (at, _), move in zip(active, moves, strict=True) if at == i]))
    return found


def _moves(model: Model, places: list[int], difference: Float[Tensor, "active vocab"]) -> list[Move]:
    """The tokens that are moved most, after each of some tokens."""
    most = min(MOVED, difference.shape[1])
    difference = difference - difference.mean(1, keepdim=True)
    ends = [difference.topk(most), difference.topk(most, largest=False)]
    distinct = torch.cat([end.indices.flatten() for end in ends]).unique().tolist()
    texts = dict(zip(distinct, model.tokenizer.strings(distinct) if model.tokenizer else map(str, distinct), strict=True))
    rows = [
        [[Weight(token=texts[i], value=value) for i, value in zip(ids, values, strict=True)]
         for ids, values in zip(end.indices.tolist(), end.values.tolist(), strict=True)]
        for end in ends
    ]  # fmt: skip
    return [Move(place=place, up=up, down=down) for place, up, down in zip(places, *rows, strict=True)]
