"""dictionary_learning, by its trainers' own update."""

from typing import Any

from bench.subjects import dictionaries as d
from bench.subjects.trial import Trial


def sae_topk_step(device: str) -> Trial:
    """`TopKTrainer.update`."""
    from dictionary_learning.trainers.top_k import TopKTrainer

    return _step(d.batches(d.TOPK_WIDTH), lambda **common: TopKTrainer(k=d.K, activation_dim=d.TOPK_WIDTH, dict_size=d.TOPK_SIZE, lr=d.LR, **common))


def sae_l1_step(device: str) -> Trial:
    """`StandardTrainerAprilUpdate.update`, which is dense whatever is active."""
    import torch
    from dictionary_learning.trainers.standard import StandardTrainerAprilUpdate

    torch.set_num_threads(d.L1_THREADS)
    return _step(d.batches(d.L1_WIDTH), lambda **common: StandardTrainerAprilUpdate(activation_dim=d.L1_WIDTH, dict_size=d.L1_SIZE, **common))


def sae_l1_dense_step(device: str) -> Trial:
    """The same."""
    return sae_l1_step(device)


def _step(given: list[Any], make: Any) -> Trial:
    resident = d.resident_mb()
    trainer = make(steps=10**6, layer=0, lm_name="none", device="cpu", warmup_steps=10)
    counter = [1]

    def step(x: Any) -> None:
        counter[0] += 1
        trainer.update(counter[0], x)

    return Trial(d.in_turn(given, step), resident_mb=resident)
