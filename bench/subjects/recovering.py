"""Learn a planted dictionary with one trainer, in its own environment.

    python -m bench.subjects.recovering SUBJECT SEED RATE FILE

512 unit directions in 128 entries, feature i active with probability min(.2, .2 / sqrt(i + 1)), at least .002, with strength abs(N(1, .25)), a mean,
and a little noise: 8.8 are active on average. Every trainer sees the same 1,500 batches of 1,024 for a seed, with Adam, 50 steps of warm-up and a
linear fall over the last fifth. FILE gets the directions, and what it does on 20,000 other activations.
"""

import sys
from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

WIDTH, FEATURES, K, STEPS, ROWS, WARMUP, DECAY = 128, 512, 9, 1_500, 1_024, 50, 0.2
DEAD_AFTER = 200 * ROWS
RATE = 1e-3  # untuned, for all
TRUTH = 987_654_321
"""Seed of the planted dictionary: no trainer draws the same bits, which would hand it the truth."""

Encode = Callable[[Tensor], tuple[Tensor, Tensor]]
Learner = tuple[Callable[[int, Tensor], Any], Callable[[], Tensor], Encode]
"""What learns from a batch, what gives the directions, and what gives codes and outputs."""


class World:
    """The planted dictionary with a stream of activations."""

    def __init__(self, seed: int) -> None:
        drawn = torch.Generator().manual_seed(TRUTH)
        self.directions = torch.nn.functional.normalize(torch.randn(FEATURES, WIDTH, generator=drawn), dim=1)
        self.mean = 0.1 * torch.randn(WIDTH, generator=drawn)
        self.often = (0.2 / torch.arange(1, FEATURES + 1).float().sqrt()).clamp(0.002, 0.2)
        self.stream = torch.Generator().manual_seed(1_000_000_007 + seed)

    def batch(self, rows: int) -> Tensor:
        """The next activations."""
        active = torch.rand(rows, FEATURES, generator=self.stream) < self.often
        strength = (1 + 0.25 * torch.randn(rows, FEATURES, generator=self.stream)).abs()
        return (active * strength) @ self.directions + self.mean + 0.01 * torch.randn(rows, WIDTH, generator=self.stream)


def sonde(seed: int, rate: float) -> Learner:
    """`Learner` with `TopK`, all else as it comes."""
    from sonde.dictionaries import Part, TopK
    from sonde.dictionaries.training import Learner as Trained

    part = (Part("", WIDTH),)
    learner = Trained(TopK(k=K, size=FEATURES, lr=rate, warmup=WARMUP / STEPS, decay=DECAY, dead_after=DEAD_AFTER), STEPS * ROWS, part, part, seed)

    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        found = learner.dictionary()
        return found.encode(x), found.reconstruct(x)

    return lambda _, x: learner.update(x, x), lambda: learner.dictionary().directions, encode


def sae_lens(seed: int, rate: float) -> Learner:
    """`SAETrainer` with its TopK dictionary."""
    from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    torch.manual_seed(seed)
    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=WIDTH, d_sae=FEATURES, k=K))
    config = SAETrainerConfig(
        total_training_samples=STEPS * ROWS, train_batch_size_samples=ROWS, lr=rate, lr_end=0.0, lr_warm_up_steps=WARMUP,
        lr_decay_steps=int(DECAY * STEPS), dead_feature_window=DEAD_AFTER // ROWS,
    )  # fmt: skip
    trainer = SAETrainer(config, sae, iter(()))

    def update(_: int, x: Tensor) -> None:
        trainer.step(x)
        trainer.n_training_steps += 1

    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        found = sae.encode(x)
        return found.to_dense() if found.is_sparse else found, sae.decode(found)

    return update, lambda: sae.W_dec, encode


def eai_sparsify(seed: int, rate: float) -> Learner:
    """sparsify's module, with the calls that its trainer makes and AuxK at 1/32."""
    from sparsify import SparseCoder, SparseCoderConfig

    torch.manual_seed(seed)
    sae = SparseCoder(WIDTH, SparseCoderConfig(num_latents=FEATURES, k=K))
    optimiser = torch.optim.Adam(sae.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda i: min(1.0, (i + 1) / WARMUP, max(0.0, (STEPS - i) / (DECAY * STEPS))))
    silent = torch.zeros(FEATURES)

    def update(i: int, x: Tensor) -> None:
        if i == 0:
            sae.b_dec.data = x.mean(0)
        sae.set_decoder_norm_to_unit_norm()
        out = sae(x, dead_mask=silent > DEAD_AFTER)
        (out.fvu + out.auxk_loss / 32).backward()
        sae.remove_gradient_parallel_to_decoder_directions()
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        silent.add_(len(x))
        silent[out.latent_indices.flatten()] = 0

    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        found = sae.encode(x)
        return torch.zeros(len(x), FEATURES).scatter_(1, found.top_indices, found.top_acts), sae.decode(found.top_acts, found.top_indices)

    return update, lambda: sae.W_dec, encode


def dictionary_learning(seed: int, rate: float) -> Learner:
    """`TopKTrainer`."""
    from dictionary_learning.trainers.top_k import TopKTrainer

    trainer = TopKTrainer(
        k=K, steps=STEPS, activation_dim=WIDTH, dict_size=FEATURES, layer=0, lm_name="none", device="cpu", warmup_steps=WARMUP, lr=rate, seed=seed,
        decay_start=int((1 - DECAY) * STEPS), threshold_start_step=10**9,
    )  # fmt: skip
    trainer.dead_feature_threshold = DEAD_AFTER

    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        found = trainer.ae.encode(x)
        return found, trainer.ae.decode(found)

    return trainer.update, lambda: trainer.ae.decoder.weight.T, encode


LEARNERS = {"sonde": sonde, "sae-lens": sae_lens, "eai-sparsify": eai_sparsify, "dictionary-learning": dictionary_learning}


def main(subject: str, seed: str, rate: str, file: str) -> None:
    """Learn, and keep what counts."""
    torch.set_num_threads(1)
    world = World(int(seed))
    update, directions, encode = LEARNERS[subject](int(seed), float(rate))
    for i in range(STEPS):
        update(i, world.batch(ROWS))
    world.stream.manual_seed(999)
    x = world.batch(20_000)
    with torch.no_grad():
        f, y = encode(x)
        found = directions().detach().contiguous()
    fvu = (x - y).double().pow(2).sum() / (x - x.mean(0)).double().pow(2).sum()
    active = (f != 0).float()
    told = {"active": active.sum(1).mean(), "fvu": fvu.float(), "dead": (active.sum(0) == 0).float().mean()}
    save_file({"directions": found.clone(), **{name: value.detach().reshape(1).clone() for name, value in told.items()}}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
