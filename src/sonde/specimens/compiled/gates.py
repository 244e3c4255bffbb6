"""Programs that decide: heads see whether a word was said, and an MLP combines what they saw by AND, by OR, or beyond its ceiling.

Everything is sharp: a head that sees its word looks at nothing else, so softmax and ceiling have no slope, and single edges may have no effect.
An MLP writes + 1/2 for yes and - 1/2 for no; the logit difference is 20 times that.
"""

import random
from collections.abc import Sequence

import torch

from sonde.specimens.compiled.assembly import BOS, NOISE, Assembly
from sonde.specimens.compiled.graph import KINDS, MLP, Circuit, Edge, Head
from sonde.specimens.compiled.program import Compiled, Example
from sonde.specimens.words.world import NOUNS

SHARP = 60.0
"""Score of the word that a head looks for; half of it is the score of `<bos>`, on which it rests. What is left for others is below 1e-13."""
ANSWER = 20.0
"""Logit difference of a whole step of the gate."""

_ONE = torch.ones(1, 1)
_FILLERS = NOUNS[:20]
_LENGTH = 6


def _seen(asm: Assembly, word: str, flag: str) -> Head:
    """A head that writes 1 into a space if a word was said."""
    score = [(SHARP, {"one": _ONE}, {"token": asm.word(word) + asm.word(BOS) / 2})]
    return asm.head(0, score, value={"token": asm.word(word)}, output={flag: _ONE})


def _gate(asm: Assembly, slope: Sequence[float], threshold: Sequence[float], weight: Sequence[float], flags: Sequence[str]) -> MLP:
    """Neurons relu(slope x number of flags - threshold), weighted, minus 1/2, into "answer"; and the logits of yes and no."""
    row = lambda numbers: torch.tensor([numbers])
    gate = asm.mlp(
        0,
        read={flag: row([*slope, 0.0]) for flag in flags} | {"one": row([*(-t for t in threshold), 1.0])},
        write={"answer": row([*weight, -0.5]).T},
    )
    asm.unembed({"answer": ANSWER / 2 * (asm.word("yes") - asm.word("no")).T})
    return gate


def _edges(heads: Sequence[Head], gate: MLP) -> dict[str, frozenset[Edge]]:
    """What every gate has: its heads look and move, the MLP reads them, the logits read the MLP."""
    return {
        "look": frozenset(("embed", head.k) for head in heads),
        "move": frozenset(("embed", head.v) for head in heads) | {(head.z, gate.reads) for head in heads},
        "tell": frozenset({(gate.out, "logits")}),
    }


def _with(said: Sequence[str], rng: random.Random) -> tuple[str, str]:
    """A prompt that holds these words at random places, and its partner with other words there."""
    clean = rng.sample(_FILLERS, _LENGTH)
    corrupt = list(clean)
    for place, word in zip(rng.sample(range(_LENGTH), len(said)), said, strict=True):
        clean[place] = word
    return " ".join(clean), " ".join(corrupt)


def _program(name: str, summary: str, asm: Assembly, said: Sequence[str], circuit: Circuit, heads: dict[str, Head]) -> Compiled:
    """A gate whose every partner is the same to it, so that all kinds of ablation see one circuit."""

    def draw(rng: random.Random) -> Example:
        return *_with(said, rng), "yes", "no"

    return Compiled(name, summary, asm.model, asm.tokenizer, dict.fromkeys(KINDS, circuit), draw, heads)


def _assembly(seed: int, noise: float, *flags: str) -> Assembly:
    return Assembly(("yes", "no", "red", "blue", *_FILLERS), 10, dict.fromkeys(flags, 1) | {"answer": 1}, seed=seed, noise=noise)


def and_gate(seed: int = 0, noise: float = NOISE) -> Compiled:
    """Yes if both "red" and "blue" were said: relu(a + b - 1). Each of the two branches is needed.

    Arguments:
        seed: which heads are the written ones, and the weights that do nothing.
        noise: deviation of the weights that do nothing.
    """
    asm = _assembly(seed, noise, "red", "blue")
    red, blue = _seen(asm, "red", "red"), _seen(asm, "blue", "blue")
    e = _edges([red, blue], _gate(asm, [1.0], [1.0], [1.0], ["red", "blue"]))
    circuit = Circuit(e["look"] | e["move"] | e["tell"], flat=e["look"])
    return _program("and_gate", 'yes if "red" and "blue" were said', asm, ("red", "blue"), circuit, {"red": red, "blue": blue})


def or_gate(seed: int = 0, noise: float = NOISE) -> Compiled:
    """Yes if "red" or "blue" was said: min(1, 2 (a + b)). Where both were, each branch alone is enough, and no single edge before the gate matters.

    Arguments:
        seed: which heads are the written ones, and the weights that do nothing.
        noise: deviation of the weights that do nothing.
    """
    asm = _assembly(seed, noise, "red", "blue")
    red, blue = _seen(asm, "red", "red"), _seen(asm, "blue", "blue")
    e = _edges([red, blue], _gate(asm, [2.0, 2.0], [0.0, 1.0], [1.0, -1.0], ["red", "blue"]))
    branches = e["look"] | e["move"]
    circuit = Circuit(branches | e["tell"], hidden=branches, flat=branches)
    return _program("or_gate", 'yes if "red" or "blue" was said', asm, ("red", "blue"), circuit, {"red": red, "blue": blue})


def saturated_gate(seed: int = 0, noise: float = NOISE) -> Compiled:
    """Yes if "red" was said: min(1, 3 a). The gate stands far beyond its ceiling, where it has no slope: the gradient misses what it hangs on.

    Arguments:
        seed: which heads are the written ones, and the weights that do nothing.
        noise: deviation of the weights that do nothing.
    """
    asm = _assembly(seed, noise, "red")
    red = _seen(asm, "red", "red")
    e = _edges([red], _gate(asm, [3.0, 3.0], [0.0, 1.0], [1.0, -1.0], ["red"]))
    before = e["look"] | e["move"]
    return _program("saturated_gate", 'yes if "red" was said', asm, ("red",), Circuit(before | e["tell"], flat=before), {"red": red})
