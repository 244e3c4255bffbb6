"""Dictionaries made by hand for the shipped specimen, whose every number is known.

`writers`: at the last block, every latent is always active at 1. Latent 0 writes towards " are" and away from all other tokens; 1 to 12 write in
random directions as long; 13 writes nothing.

`readers`: of the token embeddings. Latent i is active where the i-th word of `WORDS` stands and nowhere else, and writes its embedding: ablating it
takes the word out.
"""

import functools

import torch
from small_models import words

from sonde.dictionaries import Dictionary

LAST = "blocks.3.resid_post"
WRITERS, READERS = f"{LAST}.hand", "embed.hand"
TOWARDS, NULL, SIZE = 0, 13, 14
WORDS = [" keys", " key", " cabinet", " cat", " cats", " dogs", " dog", " is", " are", " the", " on", " near"]
TEXTS = [
    "The keys on the cabinet are here.", "The key on the table is here.", "The cat near the dogs is here.", "The dogs near the cat are here.",
    "The key near the dog is here.", "The keys near the cats are here.", "The dog on the table is here.", "The cats on the cabinet are here.",
]  # fmt: skip


def ids(*tokens):
    return [words().tokenizer.single(token) for token in tokens]


@functools.cache
def writers():
    """The specimen with the writers attached."""
    model = words()
    generator = torch.Generator().manual_seed(7)
    weight = model.module.get_submodule(model.architecture.unembed).weight.detach()
    wanted = torch.zeros(len(weight))
    wanted[ids(" are")] = 1
    towards = torch.nn.functional.normalize(torch.linalg.lstsq(weight, wanted).solution, dim=0)
    others = torch.nn.functional.normalize(torch.randn(SIZE - 2, model.d_model, generator=generator), dim=1)
    decoder = torch.cat([towards[None], others, torch.zeros(1, model.d_model)])
    sae = Dictionary(torch.zeros(SIZE, model.d_model), torch.ones(SIZE), decoder, torch.zeros(model.d_model))
    return model.attach(LAST, sae, "hand")


@functools.cache
def readers():
    """The specimen with the readers attached."""
    model = words()
    embeddings = model.embed(torch.tensor(ids(*WORDS))).detach()
    every = model.embed(torch.arange(model.architecture.d_vocab)).detach()
    # the word itself lies above the threshold along its own direction, and every other token below it
    unit = torch.nn.functional.normalize(embeddings @ torch.linalg.inv(torch.cov(every.T) + 1e-3 * torch.eye(model.d_model)), dim=1)
    scores = every @ unit.T
    own = scores[ids(*WORDS), range(len(WORDS))]
    rivals = scores.clone()
    rivals[ids(*WORDS), range(len(WORDS))] = -torch.inf
    second = rivals.amax(0)
    assert (own > second).all()
    scale = 1 / (own - second)
    sae = Dictionary(unit * scale[:, None], -second * scale, embeddings, torch.zeros(model.d_model))
    return model.attach("embed", sae, "hand")
