"""Programs that move words: a head looks somewhere, and copies what stands there."""

import random

import torch

from sonde.results import InputError
from sonde.specimens.compiled.assembly import BOS, NOISE, Assembly
from sonde.specimens.compiled.graph import Circuit, by_kind
from sonde.specimens.compiled.program import Compiled, Example
from sonde.specimens.words.world import NOUNS

MATCH = 12.0
"""Score of a match: sharp enough to be known, soft enough to have gradients."""
REST = 6.0
"""Score of the first token, between a match and nothing."""
ANSWER = 10.0
"""Logit of a word copied with full attention."""

_ONE = torch.ones(1, 1)


def induction(seed: int = 0, noise: float = NOISE, n_words: int = 40, n_ctx: int = 32) -> Compiled:
    """After "A B ... A" comes B (Elhage et al. 2021): one head notes the word before, another looks for the note that is its own word.

    Where nothing matches, the second head rests on `<bos>`, which is copied as nothing.

    Arguments:
        seed: which heads are the written ones, and the weights that do nothing.
        noise: deviation of the weights that do nothing.
        n_words: words that it knows.
        n_ctx: longest input, in tokens.

    Raises:
        InputError: more words are asked for than there are, or fewer than an example and its partner have.

    >>> program = induction()
    >>> ids = torch.tensor([program.tokenizer.encode("dog cat king road dog")])
    >>> program.tokenizer.decode([int(program.model(ids)[0, -1].argmax())])
    'cat'
    """
    if not 10 <= n_words <= len(NOUNS):
        raise InputError(f"n_words={n_words}: choose from 10 to {len(NOUNS)}")
    words, v = NOUNS[:n_words], n_words + 2
    token, place = torch.eye(v), torch.eye(n_ctx)
    asm = Assembly(words, n_ctx, {"before": v, "answer": v}, n_heads=4, d_head=max(v + 1, n_ctx), d_mlp=64, seed=seed, noise=noise)
    previous = asm.head(
        0,
        score=[(MATCH, {"place": place.roll(-1, 1)}, {"place": place})],  # place i asks for i - 1; the first asks for the last, which it can't see
        value={"token": token},
        output={"before": token},
    )
    match = asm.head(
        1,
        score=[(MATCH, {"token": token}, {"before": token}), (REST, {"one": _ONE}, {"place": place[:, :1]})],
        value={"token": token - asm.word(BOS).diagflat()},
        output={"answer": token},
    )
    asm.unembed({"answer": ANSWER * token})

    def draw(rng: random.Random) -> Example:
        asked, said = rng.randrange(4), rng.sample(words, 10)
        clean, corrupt = said[:5], said[5:]
        return " ".join([*clean, clean[asked]]), " ".join([*corrupt, corrupt[asked]]), clean[asked + 1], corrupt[asked + 1]

    words_move = frozenset({("embed", previous.v), (previous.z, match.k), ("embed", match.q), ("embed", match.v), (match.z, "logits")})
    rest = ("pos_embed", match.k)
    places = {("pos_embed", previous.q), ("pos_embed", previous.k), rest}
    return Compiled(
        name="induction",
        summary='after "A B ... A" comes B',
        model=asm.model,
        tokenizer=asm.tokenizer,
        truth=by_kind(Circuit(words_move | places, harmful=frozenset({rest})), Circuit(words_move)),
        draw=draw,
        heads={"previous_token": previous, "induction": match},
    )


def reverse(seed: int = 0, noise: float = NOISE) -> Compiled:
    """After "a b c d then d c" comes b: an MLP says which place is due, and a head copies from there (Tracr's reverse, for a causal network).

    Arguments:
        seed: which heads are the written ones, and the weights that do nothing.
        noise: deviation of the weights that do nothing.

    >>> program = reverse()
    >>> ids = torch.tensor([program.tokenizer.encode("dog cat boy girl then girl boy cat")])
    >>> program.tokenizer.decode(program.model(ids)[0, -4:].argmax(-1).tolist())
    'girl boy cat dog'
    """
    words, n, n_ctx = NOUNS[:12], 4, 10
    v = len(words) + 3
    place = torch.eye(n_ctx)
    due = torch.zeros(n_ctx, n_ctx)
    for said in range(n):  # so many words of the answer stand before; the word due stands at place n - said
        due[n + 1 + said, n - said] = 1
    asm = Assembly(("then", *words), n_ctx, {"due": n_ctx, "answer": v}, d_head=v, seed=seed, noise=noise)
    where = asm.mlp(0, read={"place": place}, write={"due": due})
    copy = asm.head(1, score=[(MATCH, {"due": place}, {"place": place})], value={"token": torch.eye(v)}, output={"answer": torch.eye(v)})
    asm.unembed({"answer": ANSWER * torch.eye(v)})

    def draw(rng: random.Random) -> Example:
        said = rng.sample(words, 2 * n)
        clean, corrupt = said[:n], said[n:]
        prompt = lambda four: " ".join([*four, "then", four[3], four[2]])
        return prompt(clean), prompt(corrupt), clean[1], corrupt[1]

    words_move = frozenset({("embed", copy.v), (copy.z, "logits")})
    places = {("pos_embed", where.reads), (where.out, copy.q), ("pos_embed", copy.k)}
    return Compiled(
        name="reverse",
        summary='after "a b c d then d c" comes b',
        model=asm.model,
        tokenizer=asm.tokenizer,
        truth=by_kind(Circuit(words_move | places), Circuit(words_move)),
        draw=draw,
        heads={"copy": copy},
    )
