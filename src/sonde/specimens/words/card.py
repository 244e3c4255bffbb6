"""The specimen as it is shipped: half-precision weights, tokenizer, and a card that measures those very weights."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from sonde.access import Model
from sonde.nn import Transformer, permuted
from sonde.specimens import cards
from sonde.specimens.measures import Measure
from sonde.specimens.words import duplicates, evaluate
from sonde.specimens.words.copying import head_roles
from sonde.specimens.words.examiner import Examiner
from sonde.specimens.words.tokenizer import END

PROMPTS = (
    "When Mary and John went to the shop, John gave a book to",
    "When Mary and John went to the shop, Paul gave a book to",
    "The keys on the cabinet",
    "The war lasted from 1732 to 17",
    "Столица Франции — это",
)
"""Shown on the card with the model's first answers."""

LIMITS = (
    "It knows nothing but its small generated world; other text is read in pieces and continued as if it were of that world.",
    "Days, numbers, capitals and kinds are memorised: only their combinations with names and frames are new in the test.",
    "The years of an event lie between 1101 and 1999 and share their century, always; other years ask for something the model never saw.",
    "One training run, one seed: intervals are over items, not over runs.",
)
HELD_OUT = (
    "The two names of an item never meet in a document of training, save by chance in a list of random words.",
    "Its two nouns never stand as subject and distractor; its name, country or word never stands in that frame.",
    "Its event never begins in that year; its thing never has that colour; its argument never follows that other.",
)
_FLOOR = 0.9
"""A skill below this is named among the limits."""


def _answers(examiner: Examiner) -> dict[str, list[tuple[str, float]]]:
    probabilities = examiner.ask(PROMPTS).exp()
    return {
        prompt: [(examiner.tokenizer.decode([i]), round(row[i].item(), 3)) for i in row.topk(5).indices.tolist()]
        for prompt, row in zip(PROMPTS, probabilities, strict=True)
    }


def _measured(model: Transformer, tokenizer: Tokenizer, n: int) -> list[Measure]:
    return [*evaluate.measures(model, tokenizer, n), *duplicates.need(Model(model), tokenizer, n)]


def write_card(
    model: Transformer, tokenizer: Tokenizer, recipe: Mapping[str, Any], log: Sequence[Mapping[str, Any]], folder: Path, n: int = 400
) -> None:
    """Store the specimen, and measure what was stored.

    Arguments:
        model: trained.
        tokenizer: its tokenizer.
        recipe: the settings it was trained with.
        log: its skills along the training.
        folder: gets `model.safetensors` (float16), `config.json`, `tokenizer.json`, `tokenizer_config.json`, `card.json`, `card.md`.
        n: items for each skill.
    """
    model.save(folder, dtype=torch.float16)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    special = {"bos_token": END, "eos_token": END, "pad_token": END, "add_bos": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(special, indent=2) + "\n", encoding="utf-8")
    stored = Transformer.load(folder)
    examiner = Examiner(stored, tokenizer)
    measures, heads, answers = _measured(stored, tokenizer, n), head_roles(examiner), _answers(examiner)
    weak = [f"{m.name} ({m.value:.2f})" for m in measures if m.unit in evaluate.UNITS.values() and m.value < _FLOOR]
    cards.write(
        folder,
        recipe["name"],
        sum(p.numel() for p in stored.parameters()),
        recipe,
        measures,
        _measured(permuted(stored, seed=0), tokenizer, n),
        [*([f"It does not do well: {', '.join(weak)}."] if weak else []), *LIMITS],
        log,
        more={"context": stored.config.n_ctx, "vocabulary": stored.config.d_vocab, "heads": heads, "answers": answers},
        sections={
            "How to ask": [
                f"Context {stored.config.n_ctx} tokens, vocabulary {stored.config.d_vocab:,} entries of byte-level BPE.",
                f"A document, prompts too, begins with `{END}`.",
                f"Trained on {log[-1]['tokens']:,} tokens of generated sentences.",
            ],
            "What is held out": list(HELD_OUT),
            "Heads": [f"{role}: " + ", ".join(f"{head} ({score:.2f})" for head, score in found) for role, found in heads.items()],
            "First answers": [f"{prompt} → " + ", ".join(f"`{token}` {p:.3f}" for token, p in found) for prompt, found in answers.items()],
        },
    )
