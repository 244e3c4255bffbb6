"""The specimen as it is shipped: half-precision weights, tokenizer, and a card that measures those very weights."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from sonde.nn import Transformer
from sonde.specimens.measures import as_rows
from sonde.specimens.registry import SPECIMENS
from sonde.specimens.words import evaluate
from sonde.specimens.words.copying import head_roles
from sonde.specimens.words.examiner import Examiner
from sonde.specimens.words.tokenizer import END

PROMPTS = ("When Mary and John went to the shop, John gave a book to", "The keys on the cabinet")
"""Shown on the card with the model's first answers."""

LIMITS = (
    "It knows nothing but its small generated world; other text is read letter by letter and continued as if it were of that world.",
    "Days, numbers and capitals are memorised: only their combinations with names and frames are new in the test.",
    "The years of an event share their century, always; a test across centuries asks for something the model never saw.",
    "That the receiver is found by noticing which name was said twice is not shown: suppressing the last subject would give the same answers.",
    "Frames far from the trained ones fail: to 'Kate gave a book to Tom. Tom gave a book to' it answers with the name of a stranger.",
    "One training run, one seed: intervals are over items, not over runs.",
)


def _answers(examiner: Examiner) -> dict[str, list[tuple[str, float]]]:
    probabilities = examiner.ask(PROMPTS).exp()
    return {
        prompt: [(examiner.tokenizer.decode([i]), round(row[i].item(), 3)) for i in row.topk(5).indices.tolist()]
        for prompt, row in zip(PROMPTS, probabilities, strict=True)
    }


def write_card(
    model: Transformer, tokenizer: Tokenizer, recipe: Mapping[str, Any], log: Sequence[Mapping[str, object]], folder: Path, n: int = 400
) -> dict:
    """Store the specimen and measure what was stored.

    Arguments:
        model: trained.
        tokenizer: its tokenizer.
        recipe: the settings it was trained with.
        log: its skills along the training.
        folder: gets `model.safetensors` (float16), `config.json`, `tokenizer.json`, `tokenizer_config.json`, `card.json`, `card.md`.
        n: items for each skill.

    Returns:
        The card as data.
    """
    model.save(folder, dtype=torch.float16)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    special = {"bos_token": END, "eos_token": END, "pad_token": END, "add_bos": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(special, indent=2) + "\n", encoding="utf-8")
    stored = Transformer.load(folder)
    examiner = Examiner(stored, tokenizer)
    card = {
        "name": recipe["name"],
        "summary": SPECIMENS[recipe["name"]].summary,
        "parameters": sum(p.numel() for p in stored.parameters()),
        "context": stored.config.n_ctx,
        "vocabulary": stored.config.d_vocab,
        "recipe": dict(recipe),
        "command": f"sonde specimens train {recipe['name']} --out DIR --seed {recipe['seed']}",
        "measures": as_rows(evaluate.measures(stored, tokenizer, n)),
        "heads": head_roles(examiner),
        "answers": _answers(examiner),
        "limits": list(LIMITS),
        "log": list(log),
    }
    (folder / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "card.md").write_text(markdown(card), encoding="utf-8")
    return card


def markdown(card: Mapping) -> str:
    """The card for people."""
    last = card["log"][-1]
    lines = [
        "# words",
        "",
        f"A transformer of {card['parameters']:,} parameters (GPT-2's shape), trained on generated English of a small known world:",
        f"{last['tokens']:,} tokens in {last['seconds'] / 60:.1f} minutes, evaluations included.",
        f"Context {card['context']} tokens, vocabulary {card['vocabulary']:,} entries of byte-level BPE.",
        "Every document, prompts too, begins with `<|end|>`.",
        "",
        f"Made by `{card['command']}`. Measured on the shipped, rounded weights:",
        "",
        "| measure | value | 95 % interval | items | unit |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {m['name']} | {m['value']:.3f} | {m['low']:.3f} to {m['high']:.3f} | {m['n']} | {m['unit']} |" for m in card["measures"]]
    lines += [
        "",
        "All items are held out: in training their two names never meet in a document (save by chance in a list of random words), their two nouns",
        "never stand as subject and distractor, their name, country, or name with word never stands in that frame,",
        "their event never begins in that year.",
        "",
    ]
    lines += [
        f"- {note}"
        for note in dict.fromkeys(f"{m['name']}: {m['note']}" for m in card["measures"] if m["note"] and "frame is never" not in m["note"])
    ]
    lines += ["", "## Heads", ""]
    lines += [f"- {role}: " + ", ".join(f"{head} ({score:.2f})" for head, score in heads) for role, heads in card["heads"].items()]
    lines += ["", "## First answers", ""]
    lines += [f"- {prompt} → " + ", ".join(f"`{token}` {p:.3f}" for token, p in answers) for prompt, answers in card["answers"].items()]
    lines += ["", "## Limits", "", *[f"- {limit}" for limit in card["limits"]], ""]
    return "\n".join(lines)
