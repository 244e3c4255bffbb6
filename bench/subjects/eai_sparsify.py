"""sparsify: its module with the calls that its trainer makes in a step, and its trainer on a live model."""

from typing import Any

from bench.subjects import dictionaries as d
from bench.subjects.trial import Trial


def sae_topk_step(device: str) -> Trial:
    """Forward, backward and Adam, with directions kept at length 1 as its trainer does."""
    import torch
    from sparsify import SparseCoder, SparseCoderConfig

    given = d.batches(d.TOPK_WIDTH)
    resident = d.resident_mb()
    torch.manual_seed(0)
    sae = SparseCoder(d.TOPK_WIDTH, SparseCoderConfig(num_latents=d.TOPK_SIZE, k=d.K))
    optimiser = torch.optim.Adam(sae.parameters(), lr=d.LR)
    silent = torch.zeros(d.TOPK_SIZE, dtype=torch.long)

    def step(x: Any) -> None:
        sae.set_decoder_norm_to_unit_norm()
        out = sae(x, dead_mask=None)
        out.fvu.backward()
        sae.remove_gradient_parallel_to_decoder_directions()
        optimiser.step()
        optimiser.zero_grad()
        silent.add_(len(x))
        silent[out.latent_indices.flatten()] = 0

    return Trial(d.in_turn(given, step), resident_mb=resident)


def sae_pipeline(device: str) -> Trial:
    """`Trainer.fit` with Adam; it does not shuffle: a batch is neighbouring sequences."""
    import tempfile

    import torch
    from datasets import Dataset
    from sparsify import SparseCoderConfig, TrainConfig, Trainer

    torch.cuda.is_bf16_supported = lambda *_, **__: False
    data = Dataset.from_dict({"input_ids": d.tokens()[: d.STEPS * d.PROMPTS].tolist()}).with_format("torch")
    model = d.network()
    resident = d.resident_mb()

    def run() -> None:
        config = TrainConfig(
            SparseCoderConfig(num_latents=d.PIPELINE_SIZE, k=d.K), batch_size=d.PROMPTS, hookpoints=["h.0"], log_to_wandb=False, optimizer="adam",
            save_every=10**9, save_dir=tempfile.mkdtemp(),
        )  # fmt: skip
        Trainer(config, data, model).fit()

    return Trial(run, resident_mb=resident, note=f"{d.STEPS * d.PROMPTS * d.CONTEXT:,} tokens; not shuffled")
