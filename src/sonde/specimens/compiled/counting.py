"""A program that counts: an MLP gives every word a sign, and a head averages over all words so far."""

import random

import torch

from sonde.specimens.compiled.assembly import BOS, NOISE, Assembly
from sonde.specimens.compiled.graph import Circuit, by_kind
from sonde.specimens.compiled.program import Compiled, Example
from sonde.specimens.words.world import NOUNS

AWAY = 12.0
"""How much lower than every word `<bos>` scores."""
ANSWER = 10.0
"""Logit difference where all words are the one that is counted."""
_LENGTH = 8


def fraction_of_previous(seed: int = 0, noise: float = NOISE) -> Compiled:
    """Yes by the share of words so far that are "red" (Tracr's xproportion): the logit difference is 10 (2 share - 1).

    The MLP reads the word and writes + 1 for "red" and - 1 for others; the head looks at all words alike, and away from `<bos>`.

    Arguments:
        seed: which heads are the written ones, and the weights that do nothing.
        noise: deviation of the weights that do nothing.
    """
    fillers = NOUNS[:20]
    asm = Assembly(("yes", "no", "red", *fillers), 12, {"sign": 1, "mean": 1}, seed=seed, noise=noise)
    every, one = torch.ones(asm.config.d_vocab, 1), torch.ones(1, 1)
    # two neurons: one for the word, one always on
    sign = asm.mlp(
        0,
        read={"token": torch.cat([asm.word("red"), 0 * every], 1), "one": torch.tensor([[0.0, 1.0]])},
        write={"sign": torch.tensor([[2.0], [-1.0]])},
    )
    average = asm.head(1, score=[(-AWAY, {"token": every}, {"token": asm.word(BOS)})], value={"sign": one}, output={"mean": one})
    asm.unembed({"mean": ANSWER / 2 * (asm.word("yes") - asm.word("no")).T})

    def draw(rng: random.Random) -> Example:
        many, few = rng.randint(5, _LENGTH), rng.randint(0, 3)
        rows = [rng.sample(["red"] * n + rng.sample(fillers, _LENGTH - n), _LENGTH) for n in (many, few)]
        answers = ["yes", "no"]
        if rng.random() < 0.5:
            rows, answers = rows[::-1], answers[::-1]
        return " ".join(rows[0]), " ".join(rows[1]), answers[0], answers[1]

    counts = frozenset({("embed", sign.reads), (sign.out, average.v), (average.z, "logits")})
    looks = {("embed", average.q), ("embed", average.k)}
    return Compiled(
        name="fraction_of_previous",
        summary='yes by the share of words so far that are "red"',
        model=asm.model,
        tokenizer=asm.tokenizer,
        truth=by_kind(Circuit(counts | looks), Circuit(counts)),
        draw=draw,
        heads={"average": average},
    )
