"""A recording whose latents fire by rules that are known: what an explainer must find, and what it must not."""

import random

import torch

from sonde.bases import Codes
from sonde.features.descriptions import Recording

WORDS = [" the", " a", " to", " of", " Mary", " John", " dog", " cat", " go", " see", " old", " new", ",", ".", " 12"]
WORDS += [f" {stem}ing" for stem in ("walk", "talk", "play", "jump", "read", "cook", "paint", "work")] + [f" w{letter}x" for letter in "abcdefghij"]
RULES = {
    "token": lambda words, i: words[i] == " Mary",
    "tokens": lambda words, i: words[i] in (" Mary", " John"),
    "after": lambda words, i: i > 0 and words[i - 1] == " to",
    "pair": lambda words, i: i > 0 and (words[i - 1], words[i]) == (" to", " go"),
    "ending": lambda words, i: words[i].endswith("ing"),
    "first": lambda words, i: i == 0,
}
"""By name whether a latent fires on token i of a text."""
SAID = {
    "token": 'on " Mary"', "tokens": ('on " John", " Mary"', 'on " Mary", " John"'), "after": 'after " to"', "pair": 'on " go" after " to"',
    "ending": 'on words ending in "ing"', "first": "at position 0",
}  # fmt: skip


def planted(texts=400, length=24, seed=0, n_random=1, rules=RULES):
    """A recording: one latent for each rule, in their order, then some that fire at random on 2 % of the tokens; strengths vary at random."""
    draw, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    rows = [[draw.randrange(len(WORDS)) for _ in range(length)] for _ in range(texts)]
    # "to go" often enough to be seen
    for row in rows:
        if draw.random() < 0.3:
            place = draw.randrange(length - 1)
            row[place : place + 2] = [WORDS.index(" to"), WORDS.index(" go")]
    words = [[WORDS[i] for i in row] for row in rows]
    fires = torch.tensor([[[rule(text, i) for rule in rules.values()] for i in range(length)] for text in words]).float().flatten(0, 1)
    chance = (torch.rand(len(fires), n_random, generator=generator) < 0.02).float()
    strength = 1 + torch.rand(len(fires), len(rules) + n_random, generator=generator)
    codes = Codes.of(torch.cat([fires, chance], dim=1) * strength)
    return Recording(torch.tensor(rows).flatten(), torch.arange(0, texts * length, length), tuple(WORDS), codes)
