"""Does the specimen find the receiver by noticing which name was said twice? Three texts of the same length, and heads patched between them.

    clean       When Mary and John went to the shop, John gave a book to     the giver was named before: Mary
    stranger    When Mary and Paul went to the shop, John gave a book to     the giver was not named before: them
    control     When Rosa and John went to the shop, John gave a book to     another word is replaced: still the one named with John

A model that only keeps down the last subject's name answers all three alike. One that needs the first mention must bring it to where the answer is
made, by heads that look back at it, from the second mention (as GPT-2's duplicate token heads do) or from the end. What these heads write in
`stranger`, put into `clean`, then makes the answer "them"; as many other heads don't.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from tokenizers import Tokenizer
from torch import Tensor

from sonde.access import Model, Patch
from sonde.access.run import Run
from sonde.specimens.measures import Measure, mean, share
from sonde.specimens.words import giving, world
from sonde.specimens.words.document import Document
from sonde.specimens.words.people import another
from sonde.specimens.words.tokenizer import end_id

HEADS = 3
"""How many heads are patched."""
DRAWS = 10
"""Sets of as many other heads, drawn at random: the control."""
QUERIES = ("giver_2", "end")
"""From where a head may look back."""
_CLEAN, _STRANGER, _CONTROL = range(3)


@dataclass(frozen=True, eq=False)
class Triples:
    """Texts that differ in one name."""

    ids: tuple[list[list[int]], list[list[int]], list[list[int]]]
    """Clean, with a stranger for the giver's first mention, with a stranger for the receiver."""
    spans: dict[str, list[list[int]]]
    """Positions of the giver's first mention (`giver`), the second (`giver_2`) and the last token (`end`), the same in all three."""
    receivers: Tensor
    """The right answer of each clean text."""


def _replaced(document: Document, part: str, name: str) -> str:
    start, end = document.truth.spans[part]
    return document.prompt[:start] + name + document.prompt[end:]


def triples(tokenizer: Tokenizer, n: int, seed: int) -> Triples:
    """Draw held-out documents of the plain kind, each in three versions.

    Arguments:
        tokenizer: the specimen's.
        n: how many.
        seed: of the documents.
    """
    rng = random.Random(f"duplicates {seed}")
    versions: tuple[list[list[int]], list[list[int]], list[list[int]]] = ([], [], [])
    spans: dict[str, list[list[int]]] = {"giver": [], "giver_2": [], "end": []}
    receivers = []
    for _ in range(n):
        document = giving.indirect_object(rng, held=True, kind="two")
        stranger = another(rng, document.truth.receivers[0], document.truth.givers[0])
        texts = (document.prompt, _replaced(document, "giver", stranger), _replaced(document, "receiver", stranger))
        encoded = [tokenizer.encode(text) for text in texts]
        for rows, encoding in zip(versions, encoded, strict=True):
            rows.append([end_id(tokenizer), *encoding.ids])
        for part in ("giver", "giver_2"):
            end = document.truth.spans[part][1]
            spans[part].append([1 + next(i for i, (_, stop) in enumerate(encoded[0].offsets) if stop == end)])
        spans["end"].append([len(encoded[0].ids)])
        receivers.append(tokenizer.encode(document.answer).ids[0])
    return Triples(versions, spans, torch.tensor(receivers))


def looking_back(model: Model, drawn: Triples) -> Float[Tensor, "query layer head"]:
    """Mean attention of each head to the giver's first mention in the clean texts, by `QUERIES`."""
    run = model.run(drawn.ids[_CLEAN], read="blocks.*.attn.pattern", logits=False)
    patterns = torch.stack([run[f"blocks.{layer}.attn.pattern"] for layer in range(model.n_layers)])  # layer row head query key
    row, key = torch.arange(len(drawn.receivers)), torch.tensor(drawn.spans["giver"]).flatten()
    queries = [torch.tensor(drawn.spans[query]).flatten() for query in QUERIES]
    return torch.stack([patterns[:, row, :, query, key].mean(0) for query in queries])


def says(run: Run, answers: Tensor | int, people: Sequence[int]) -> Bool[Tensor, " row"]:
    """Whether the likeliest of all names and "them" is this."""
    assert run.logits is not None
    return torch.tensor(people)[run.logits[:, -1, people].argmax(-1)] == answers


def patched(model: Model, drawn: Triples, source: Run, heads: Sequence[tuple[str, int, int]]) -> Run:
    """The clean texts, with what these heads (query, layer, head) write taken from another run."""
    edits = [Patch(f"blocks.{layer}.attn.z[head={head}, pos={query}]", source) for query, layer, head in heads]
    return model.run(drawn.ids[_CLEAN], edits=edits, logits="last", spans=drawn.spans)


def ranked(scores: Float[Tensor, "query layer head"]) -> list[tuple[str, int, int]]:
    """Query, layer and head, the highest score first."""
    places = torch.unravel_index(scores.flatten().argsort(descending=True), scores.shape)
    return [(QUERIES[query], layer, head) for query, layer, head in zip(*(index.tolist() for index in places), strict=True)]


def need(model: Model, tokenizer: Tokenizer, n: int = 200, seed: int = 777) -> list[Measure]:
    """The lines of the card on the need of the duplicate.

    Arguments:
        model: the specimen's handle.
        tokenizer: its tokenizer.
        n: documents.
        seed: of the documents; the heads are chosen on others.

    Returns:
        How often the answer is "them" on the clean texts, with a stranger for the first mention, with a stranger for the receiver; then on the clean
        texts with the heads that look back patched, with all heads at the second mention, and with as many others as the first.
    """
    drawn = triples(tokenizer, n, seed)
    people = [tokenizer.encode(f" {name}").ids[0] for name in (*world.NAMES, "them")]
    them = people[-1]
    runs = [model.run(ids, read="blocks.*.attn.z", logits="last", spans=drawn.spans) for ids in drawn.ids]
    unit = "share that answers 'them'"
    texts = ("as it is", "its first mention replaced", "the receiver's replaced instead (control)")
    measures = [share(f"giver's name: {text}", says(run, them, people).tolist(), unit) for text, run in zip(texts, runs, strict=True)]
    scores = looking_back(model, triples(tokenizer, n, seed + 1))
    order = ranked(scores)
    chosen, others = order[:HEADS], order[HEADS:]
    where = {"giver_2": "the second mention", "end": "the end"}
    found = ", ".join(f"{layer}.{head} at {where[query]} ({scores[QUERIES.index(query), layer, head]:.2f})" for query, layer, head in chosen)
    second = [("giver_2", layer, head) for layer in range(model.n_layers) for head in range(model.n_heads)]
    for name, heads, note in (
        (f"the {HEADS} heads that look back at it patched", chosen, f"chosen on other texts by their attention: {found}"),
        ("all heads at its second mention patched", second, "what GPT-2's duplicate token heads would do is done there or not"),
    ):
        moved = says(patched(model, drawn, runs[_STRANGER], heads), them, people)
        measures.append(share(f"giver's name: {name}", moved.tolist(), unit, note))
    rng = random.Random(seed)
    by_chance = [says(patched(model, drawn, runs[_STRANGER], rng.sample(others, HEADS)), them, people).float() for _ in range(DRAWS)]
    note = f"mean over {DRAWS} draws of heads"
    return [*measures, mean(f"giver's name: {HEADS} other heads patched (control)", torch.stack(by_chance).mean(0), unit, note)]
