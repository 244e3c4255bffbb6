"""A network that recalls a fact where and when it is known: an MLP looks the subject up, and a later head brings what it finds to the end."""

import torch

import sonde
from sonde.nn import Transformer, TransformerConfig
from sonde.specimens.compiled.assembly import word_tokenizer

NAMES = tuple(f"N{i}" for i in range(20))
PLACES = tuple(f"P{i}" for i in range(20))
LENGTH = 6  # with <bos>: "<bos> so NAME lives now in"
SUBJECT, LOOKUP, MOVE = 2, 1, 2  # the subject's position, the block whose MLP looks it up, the block whose head 0 moves it


LOUD = 100.0  # what the network writes and where it looks are beyond the noise that hides a token: that reaches every coordinate


def fact_model():
    """The network; after `prompt(NAMES[i])` it says PLACES[i]."""
    tokenizer = word_tokenizer(("so", "lives", "now", "in", *NAMES, *PLACES))
    v = len(NAMES) + len(PLACES) + 6
    token, place, found, answer = (slice(i, i + n) for i, n in ((0, v), (v, LENGTH), (v + LENGTH, v), (2 * v + LENGTH, v)))
    config = TransformerConfig(
        n_layers=4, d_model=answer.stop, n_heads=2, d_vocab=v, n_ctx=LENGTH, d_mlp=v, d_head=v, activation="relu", norm=None, tied=False
    )
    model = Transformer(config).eval()
    for weight in model.parameters():
        weight.data.zero_()
    model.embed.weight.data[:, token] = torch.eye(v)
    model.pos_embed.weight.data[:, place] = LOUD * torch.eye(LENGTH)
    mlp, attn = model.blocks[LOOKUP].mlp, model.blocks[MOVE].attn
    mlp.up.weight.data[:, token] = torch.eye(v)
    for name, where in zip(NAMES, PLACES, strict=True):
        mlp.down.weight.data[found.start + tokenizer.single(where), tokenizer.single(name)] = LOUD
    attn.q.bias.data[0] = 30 * v**0.5  # head 0 looks at the subject's place from everywhere
    attn.k.weight.data[0, place.start + SUBJECT] = 1 / LOUD
    attn.v.weight.data[:v, found] = torch.eye(v)
    attn.o.weight.data[answer, :v] = torch.eye(v)
    model.unembed.weight.data[:, answer] = 8 / LOUD * torch.eye(v)
    return sonde.load(model.double(), tokenizer)


def prompt(name):
    return f"so {name} lives now in"
