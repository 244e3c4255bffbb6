"""A small model, dictionary and corpus, and everything about them written out densely."""

import functools
import typing

import torch
from tiny_models import D_MODEL, VOCAB, bare
from tiny_tokenizer import words

from sonde import Model
from sonde.access import Tokenizer
from sonde.dictionaries import Dictionary
from sonde.features import collect

SITE, LATENTS, K = "blocks.0.resid_post", 24, 3


@functools.cache
def model(family="native"):
    """A random model whose tokens are `w0` (the one that begins a text) to `w39`."""
    return Model(bare(family), Tokenizer(words(), bos_id=0), name="tiny")


@functools.cache
def corpus(seed=5, n=150):
    """Rows of random tokens, of 3 to 12."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(2, 12, (n,), generator=draw).tolist()
    return [[0, *torch.randint(1, VOCAB, (length,), generator=draw).tolist()] for length in lengths]


@functools.cache
def dictionary(width=D_MODEL, seed=11, size=LATENTS):
    """Random directions, the `K` most active of which are kept; the last one never is."""
    draw = torch.Generator().manual_seed(seed)
    directions = torch.randn(size, width, generator=draw)
    bias = torch.zeros(size)
    bias[-1] = -1e4
    return Dictionary(directions, bias, directions / directions.norm(dim=1, keepdim=True), torch.zeros(width), "topk", k=K)


@functools.cache
def dense(family="native", site=SITE):
    """Codes and activations at every counted token, with where it stands: by one forward for each row."""
    own, rows = model(family), []
    for s, ids in enumerate(corpus()):
        x = own.run([ids], read=site)[site][0]
        rows += [(s, p, ids[p], x[p]) for p in range(len(ids)) if ids[p] != 0]
    x = torch.stack([row[3] for row in rows])
    return dictionary(x.shape[1]).encode(x), x, [row[:3] for row in rows]


def database(folder, **settings):
    """Collected over the whole corpus."""
    return collect(model(), SITE, dictionary(), corpus(), folder, **settings)


def shaped(value, kind):
    """Whether plain data has the shape that a TypedDict states."""
    if typing.is_typeddict(kind):
        hints = typing.get_type_hints(kind)
        return set(value) == set(hints) and all(shaped(value[name], hint) for name, hint in hints.items())
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return isinstance(value, list) and all(shaped(part, arguments[0]) for part in value)
    if origin is dict:
        return isinstance(value, dict) and all(shaped(part, arguments[1]) for part in value.values())
    if origin is tuple:
        return len(value) == len(arguments)
    if arguments:  # a union
        return any(shaped(value, one) for one in arguments)
    return isinstance(value, (int, float) if kind is float else kind)
