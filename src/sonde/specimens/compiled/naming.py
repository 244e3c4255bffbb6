"""Programs that answer with the name that was said: one with a head against it, one with a head in reserve, one with heads that never change.

A head that looks for names finds the one that is there and copies it; where it finds none it rests on `<bos>`, which is copied as nothing.
"""

import random

import torch
from torch import Tensor

from sonde.specimens.compiled.assembly import BOS, NOISE, Assembly, Matrices
from sonde.specimens.compiled.graph import Circuit, Head, by_kind
from sonde.specimens.compiled.program import Compiled, Example
from sonde.specimens.words.world import NOUNS

SHARP = 60.0
"""Score of what a head looks for; half of it is the score of `<bos>`. What is left for others is below 1e-13."""
ANSWER = 10.0
"""Logit of a name copied whole."""
WOMEN, MEN = ("Mary", "Anna", "Emma", "Grace"), ("John", "Paul", "Eric", "Jack")
NAMES = WOMEN + MEN

_ONE = torch.ones(1, 1)
_FILLERS = NOUNS[:20]
_LENGTH = 6


def _looks_for(asm: Assembly, *words: str) -> tuple[float, Matrices, Matrices]:
    return SHARP, {"one": _ONE}, {"token": asm.word(*words) + asm.word(BOS) / 2}


def _names(asm: Assembly) -> Tensor:
    """[token name], one-hot."""
    return torch.cat([asm.word(name) for name in NAMES], 1)


def _mover(asm: Assembly, layer: int, strength: float = 1.0) -> Head:
    """A head that copies the name said, times a strength."""
    return asm.head(layer, [_looks_for(asm, *NAMES)], value={"token": _names(asm)}, output={"answer": strength * torch.eye(len(NAMES))})


def negative_head(seed: int = 0, noise: float = NOISE) -> Compiled:
    """The name that was said: one head copies it, another writes 0.4 of it away again (as the negative name movers of Wang et al. 2023).

    Name and partner stand at the same place, so the counterfactual changes what is copied and never where the heads look; other examples have theirs
    elsewhere.

    Arguments:
        seed: which heads are the written ones, and the weights that do nothing.
        noise: deviation of the weights that do nothing.
    """
    asm = Assembly((*NAMES, *_FILLERS), 10, {"answer": len(NAMES)}, seed=seed, noise=noise)
    mover, against = _mover(asm, 0), _mover(asm, 0, -0.4)
    asm.unembed({"answer": ANSWER * _names(asm).T})

    def draw(rng: random.Random) -> Example:
        clean, place, (name, other) = rng.sample(_FILLERS, _LENGTH), rng.randrange(_LENGTH), rng.sample(NAMES, 2)
        corrupt = list(clean)
        clean[place], corrupt[place] = name, other
        return " ".join(clean), " ".join(corrupt), name, other

    look = frozenset({("embed", mover.k), ("embed", against.k)})
    harm = frozenset({("embed", against.v), (against.z, "logits")})
    move = frozenset({("embed", mover.v), (mover.z, "logits")})
    whole = Circuit(look | move | harm, flat=look, harmful=harm | {("embed", against.k)})
    return Compiled(
        name="negative_head",
        summary="the name that was said",
        model=asm.model,
        tokenizer=asm.tokenizer,
        truth={"zero": whole, "mean": whole, "resample": whole, "counterfactual": Circuit(move | harm, harmful=harm)},
        draw=draw,
        heads={"mover": mover, "negative": against},
    )


def backup(seed: int = 0, noise: float = NOISE) -> Compiled:
    """The name that was said, by one head; a second one, a layer later, looks for the name only where the first has not written one (self-repair).

    Ablating the first head altogether changes nothing. Ablating what it tells the logits takes the answer away, and ablating what it tells the second
    head gives the answer twice: each edge has its effect, the node has none.

    Arguments:
        seed: which heads are the written ones, and the weights that do nothing.
        noise: deviation of the weights that do nothing.
    """
    n = len(NAMES)
    asm = Assembly((*NAMES, *_FILLERS), 10, {"answer": n, "done": 1}, seed=seed, noise=noise)
    names = _names(asm)
    first = asm.head(0, [_looks_for(asm, *NAMES)], value={"token": names}, output={"answer": torch.eye(n), "done": torch.ones(n, 1)})
    held_back = (SHARP, {"done": _ONE}, {"token": asm.word(BOS)})
    second = asm.head(1, [_looks_for(asm, *NAMES), held_back], value={"token": names}, output={"answer": torch.eye(n)})
    asm.unembed({"answer": ANSWER * names.T})

    def draw(rng: random.Random) -> Example:
        clean, place, (name, other) = rng.sample(_FILLERS, _LENGTH), rng.randrange(_LENGTH), rng.sample(NAMES, 2)
        corrupt = list(clean)
        clean[place] = name
        return " ".join(clean), " ".join(corrupt), name, other

    look, take, tell, call = ("embed", first.k), ("embed", first.v), (first.z, "logits"), (first.z, second.q)
    reserve_look, reserve = ("embed", second.k), frozenset({("embed", second.v), (second.z, "logits")})
    everything = reserve | {look, take, tell, call, reserve_look}
    flat = everything - {take, tell}
    # without keys a head looks at all words alike: under zero ablation the first still writes a part of the name, or the second does already
    zero = Circuit(everything, hidden=reserve | {take}, flat=flat, harmful=frozenset({look, call, reserve_look}))
    partner = Circuit(everything, hidden=reserve | {take, look, reserve_look}, flat=flat, harmful=frozenset({call}))
    return Compiled(
        name="backup",
        summary="the name that was said, with a head in reserve",
        model=asm.model,
        tokenizer=asm.tokenizer,
        truth=by_kind(zero, partner),
        draw=draw,
        heads={"first": first, "second": second},
    )


def dead_edges(seed: int = 0, noise: float = NOISE) -> Compiled:
    """The name that was said; "lady" or "lord" before it speaks for women or men, and men have a head start.

    The title is the same in name and partner and differs between examples; the head start never changes. So their edges are connected, and dead:
    the title's under counterfactual ablation, the head start's under every ablation but zero.

    Arguments:
        seed: which heads are the written ones, and the weights that do nothing.
        noise: deviation of the weights that do nothing.
    """
    asm = Assembly(("lady", "lord", *NAMES, *_FILLERS), 10, {"answer": len(NAMES), "title": 1, "start": 1}, n_heads=4, seed=seed, noise=noise)
    mover = _mover(asm, 0)
    sign = asm.word("lady") - asm.word("lord")
    titled = asm.head(0, [_looks_for(asm, "lady", "lord")], value={"token": sign}, output={"title": _ONE})
    constant = asm.head(0, [(SHARP, {"one": _ONE}, {"token": asm.word(BOS)})], value={"token": asm.word(BOS)}, output={"start": _ONE})
    women, men = asm.word(*WOMEN).T, asm.word(*MEN).T
    asm.unembed({"answer": ANSWER * _names(asm).T, "title": women - men, "start": men})

    def draw(rng: random.Random) -> Example:
        name, other = rng.sample([rng.choice(WOMEN), rng.choice(MEN)], 2)
        title = rng.choice(["lady", "lord"])
        rest = rng.sample(_FILLERS, _LENGTH - 2)
        place = rng.randrange(_LENGTH - 1)
        said = lambda who: " ".join([title, *rest[:place], who, *rest[place:]])
        return said(name), said(other), name, other

    look = {head: ("embed", head.k) for head in (mover, titled, constant)}
    move = {head: frozenset({("embed", head.v), (head.z, "logits")}) for head in look}
    elsewhere = Circuit(move[mover] | move[titled] | {look[mover]}, flat=frozenset({look[mover]}))
    return Compiled(
        name="dead_edges",
        summary='the name that was said; "lady" or "lord" and a head start weigh in',
        model=asm.model,
        tokenizer=asm.tokenizer,
        truth={
            "zero": Circuit(frozenset().union(look.values(), *move.values()), flat=frozenset(look.values())),
            "mean": elsewhere,
            "resample": elsewhere,
            "counterfactual": Circuit(move[mover]),
        },
        draw=draw,
        heads={"mover": mover, "title": titled, "start": constant},
    )
