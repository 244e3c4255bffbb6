"""What the tests of the activation store read: ragged documents of the tiny models' tokens, and a tiny model whose token 0 begins a sequence."""

import torch
from tiny_models import VOCAB, bare
from tiny_tokenizer import words

import sonde
from sonde.access import Tokenizer

BOS = 0
SITE = "blocks.0.resid_post"


def rows_of_ids(n, seed=0):
    """Documents of 1 to 29 tokens that hold every token but the special one."""
    draw = torch.Generator().manual_seed(seed)
    return [torch.randint(1, VOCAB, (int(torch.randint(1, 30, (1,), generator=draw)),), generator=draw).tolist() for _ in range(n)]


def tiny(family="gpt2", seed=0):
    return sonde.load(bare(family, seed), Tokenizer(words(), bos_id=BOS))
