"""The steps as a page of PyTorch has them: everything dense, gradients by autograd."""

from typing import Any

from bench.subjects import dictionaries as d
from bench.subjects.trial import Trial


def sae_topk_step(device: str) -> Trial:
    """TopK: an encoder, the k largest, a decoder, Adam."""
    return _step(d.TOPK_WIDTH, d.TOPK_SIZE, k=d.K)


def sae_l1_step(device: str) -> Trial:
    """ReLU with an L1 penalty."""
    import torch

    torch.set_num_threads(d.L1_THREADS)
    return _step(d.L1_WIDTH, d.L1_SIZE, k=None)


def sae_l1_dense_step(device: str) -> Trial:
    """The same: a dense step does not depend on how many latents are active."""
    return sae_l1_step(device)


def _step(width: int, size: int, k: int | None) -> Trial:
    given = d.batches(width)
    resident = d.resident_mb()
    return Trial(d.in_turn(given, _learner(width, size, k)), resident_mb=resident)


def _learner(width: int, size: int, k: int | None) -> Any:
    import torch

    torch.manual_seed(0)
    encoder, decoder = torch.nn.Linear(width, size), torch.nn.Linear(size, width)
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=d.LR)

    def step(x: Any) -> None:
        z = torch.relu(encoder(x))
        if k is None:
            f, penalty = z, (z.sum(0) * decoder.weight.norm(dim=0)).sum() / len(x)
        else:
            found = z.topk(k, dim=-1)
            f, penalty = torch.zeros_like(z).scatter(-1, found.indices, found.values), 0.0
        ((decoder(f) - x).pow(2).sum(1).mean() + penalty).backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


def sae_pipeline(device: str) -> Trial:
    """What cannot be avoided, by hand: the embedding and the first block forward, then a dense step; nothing is mixed."""
    import torch

    model, texts = d.network().transformer, d.tokens()
    resident = d.resident_mb()

    def run() -> None:
        step = _learner(d.PIPELINE_WIDTH, d.PIPELINE_SIZE, d.K)
        for i in range(d.STEPS):
            with torch.no_grad():
                ids = texts[i * d.PROMPTS : (i + 1) * d.PROMPTS]
                hidden = model.wte(ids) + model.wpe(torch.arange(d.CONTEXT))
                x = model.h[0](hidden)
            step((x[0] if isinstance(x, tuple) else x).reshape(-1, d.PIPELINE_WIDTH))

    return Trial(run, resident_mb=resident, note=f"{d.STEPS * d.PROMPTS * d.CONTEXT:,} tokens; not shuffled")
