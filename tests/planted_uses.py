"""A model that uses one of two properties that its tokens have, both as plain to a probe."""

import torch

from sonde.access import Model
from sonde.nn.transformer import Transformer, TransformerConfig
from sonde.probing import Labelled
from sonde.tasks import Task
from sonde.tasks.metrics import METRICS

WORDS, YES, NO = 240, 240, 241
WIDTH = 24


def planted_uses(seed):
    """The model, and by token: "used", of which the answer is read, "unused", which lies in the embedding as plainly, and "absent", a coin toss."""
    generator = torch.Generator().manual_seed(seed)
    attributes = {name: torch.randint(0, 2, (WORDS,), generator=generator) for name in ("used", "unused", "absent")}
    used, unused = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator))[0][:2]
    config = TransformerConfig(
        n_layers=2, d_model=WIDTH, n_heads=2, d_vocab=WORDS + 2, n_ctx=4, d_mlp=0, norm=None, positional=None, tied=False, bias=False
    )  # fmt: skip
    module = Transformer(config)
    # as much variance everywhere: a direction that is matched to the used one in its variance is not the used one
    embedding = 1.57 * torch.randn(WORDS + 2, WIDTH, generator=generator)
    embedding = embedding - embedding @ torch.stack([used, unused]).T @ torch.stack([used, unused])
    signs = 2.0 * torch.stack([attributes["used"], attributes["unused"]], 1) - 1 + 0.3 * torch.randn(WORDS, 2, generator=generator)
    embedding[:WORDS] += 1.5 * signs @ torch.stack([used, unused])
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.startswith("blocks"):
                parameter.zero_()
        model = Model(module, name="planted uses")
        module.get_submodule(model.architecture.embed).weight.copy_(embedding)
        unembed = module.get_submodule(model.architecture.unembed).weight
        unembed.zero_()
        unembed[YES], unembed[NO] = used, -used
    return model, attributes


def labelled(attributes, name, n=200):
    """The first words by one of their attributes."""
    return Labelled.of([[token] for token in range(n)], [["no", "yes"][int(one)] for one in attributes[name][:n]], name=name)


def task(attributes, n=40):
    """The last words: is the used attribute there?"""
    words = list(range(WORDS - n, WORDS))
    of = {int(value): [w for w in words if int(attributes["used"][w]) == value] for value in (0, 1)}
    clean = tuple((w,) for w in words)
    corrupt = tuple((of[1 - int(attributes["used"][w])][i % len(of[1 - int(attributes["used"][w])])],) for i, w in enumerate(words))
    answers = tuple((YES if int(attributes["used"][w]) else NO,) for w in words)
    wrongs = tuple((NO if row == (YES,) else YES,) for row in answers)
    return Task("planted", clean, corrupt, answers, wrongs, METRICS["logit_difference"](answers, wrongs), ("",) * n, ("",) * n)
