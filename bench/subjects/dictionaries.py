"""What the trainers of sparse dictionaries are timed on: sizes, and activations made of superposed sparse features."""

import re
from pathlib import Path
from typing import Any

ROWS, K = 4096, 32
TOPK_WIDTH, TOPK_SIZE = 768, 12_288
L1_WIDTH, L1_SIZE, L1_ACTIVE, L1_THREADS = 512, 4_096, 64, 2
LR = 2e-4

PIPELINE_WIDTH, PIPELINE_SIZE, VOCAB, CONTEXT, PROMPTS, STEPS = 512, 4_096, 8_192, 128, 32, 8
"""A step of the pipeline learns from PROMPTS x CONTEXT tokens."""


def batches(width: int, n: int = 2) -> list[Any]:
    """Some batches of activations, the same for every subject."""
    import torch

    generator = torch.Generator().manual_seed(7)
    directions = torch.nn.functional.normalize(torch.randn(4 * width, width, generator=generator), dim=1)
    found = []
    for _ in range(n):
        active = torch.rand(ROWS, 4 * width, generator=generator) < K / (4 * width)
        strength = (1 + 0.25 * torch.randn(ROWS, 4 * width, generator=generator)).abs()
        found.append((active * strength) @ directions + 0.01 * torch.randn(ROWS, width, generator=generator))
    return found


def tokens() -> Any:
    """Texts for the pipeline, with more than the steps need, for shuffling buffers."""
    import torch

    generator = torch.Generator().manual_seed(7)
    shares = 1 / torch.arange(1, VOCAB + 1).float()
    return torch.multinomial(shares / shares.sum(), (STEPS + 40) * PROMPTS * CONTEXT, replacement=True, generator=generator).view(-1, CONTEXT)


def network() -> Any:
    """The model of the pipeline: two layers of GPT-2's kind with random weights."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(7)
    sizes = {"n_embd": PIPELINE_WIDTH, "n_layer": 2, "n_head": 8, "n_positions": CONTEXT, "vocab_size": VOCAB}
    return GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0, attn_implementation="sdpa")).eval()


def resident_mb() -> float:
    """What is resident now: libraries and batches, before a trainer is made."""
    status = Path("/proc/self/status")
    found = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.is_file() else None
    return int(found[1]) / 1024 if found else 0.0


def in_turn(given: list[Any], step: Any) -> Any:
    """A step on one batch after the other."""
    counter = [0]

    def run() -> None:
        counter[0] += 1
        step(given[counter[0] % len(given)])

    return run
