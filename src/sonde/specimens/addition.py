"""The specimen `addition`: a transformer of one layer that adds modulo 59, and that learnt by heart long before it understood.

Trained on four tenths of all sums, it knows them within a hundred updates; the others come two thousand later ("grokking", Power et al. 2022).
What it has then learnt is Fourier's way (Nanda et al. 2023, "Progress Measures for Grokking via Mechanistic Interpretability"): it keeps
cos(2 pi k a / 59) and sin(2 pi k a / 59) of each number for a few frequencies k, and multiplies them into cos(2 pi k (a + b - c) / 59), which is
highest where c is the sum. So the embedding lies in the plane of a few frequencies, and without these it can do nothing.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from tokenizers import Tokenizer
from torch import Tensor, nn

from sonde.nn import Transformer, TransformerConfig, permuted
from sonde.nn.training import Training, TrainingConfig
from sonde.specimens import cards, runs
from sonde.specimens.measures import Measure, mean, share
from sonde.specimens.wordlevel import word_tokenizer

P = 59
"""Sums are taken modulo this prime."""

EQUALS = "="
"""Stands after the two numbers; the sum is read here."""

N_KEY = 5
"""Frequencies that are called the key ones: those with the most of the embedding's norm."""

LIMITS = (
    "It knows the tokens 0 to 58 and '=' and nothing else; the sum stands after the third token of 'a b ='.",
    "The key frequencies differ from seed to seed, and so does their number.",
    "One training run: the intervals are over sums, not over runs.",
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    seed: int = 0
    """Of the first weights."""
    split_seed: int = 0
    """Of the sums that are trained on: the same for every training, so that models can be compared."""
    share: float = 0.4
    """Share of all sums that are trained on."""
    steps: int = 3000
    """Updates, each on all of them."""

    def model(self) -> TransformerConfig:
        """The shape of the model: as Nanda's, with half of the width."""
        return TransformerConfig(
            n_layers=1, d_model=64, n_heads=4, d_vocab=P + 1, n_ctx=3, d_mlp=256, activation="relu", norm=None, tied=False, bias=False
        )

    def training(self) -> TrainingConfig:
        """How it is trained: the strong decay makes the remembered sums costly."""
        return TrainingConfig(steps=self.steps, lr=3e-3, weight_decay=1.0, warmup_steps=10, cooldown=0.1)


def sums() -> tuple[Int[Tensor, "sum 3"], Int[Tensor, "sum"]]:
    """All sums.

    Returns:
        Token ids of `a b =`, and the id of (a + b) mod 59; a number is its own id.

    >>> rows, answers = sums()
    >>> rows[60].tolist(), answers[60].item()
    ([1, 1, 59], 2)
    """
    pairs = torch.cartesian_prod(torch.arange(P), torch.arange(P))
    return torch.cat([pairs, torch.full((P * P, 1), P)], dim=1), pairs.sum(1) % P


def split(recipe: Recipe | None = None) -> tuple[Int[Tensor, "seen"], Int[Tensor, "held_out"]]:
    """Which of the sums are trained on.

    Arguments:
        recipe: of the training; None: the shipped one's.

    Returns:
        Places in `sums()` of those seen, and of those held out.
    """
    recipe = recipe or Recipe()
    order = torch.randperm(P * P, generator=torch.Generator().manual_seed(recipe.split_seed))
    n = int(recipe.share * P * P)
    return order[:n], order[n:]


def fourier_basis() -> Float[Tensor, "wave 59"]:
    """An orthonormal basis of functions of the numbers 0 to 58: the constant, then cosine and sine of each frequency 1 to 29.

    >>> basis = fourier_basis()
    >>> torch.allclose(basis @ basis.T, torch.eye(59), atol=1e-5)
    True
    """
    angles = 2 * math.pi / P * torch.arange(1, P // 2 + 1)[:, None] * torch.arange(P)
    waves = torch.stack([angles.cos(), angles.sin()], dim=1).flatten(0, 1) * math.sqrt(2 / P)
    return torch.cat([torch.full((1, P), P**-0.5), waves])


def frequency_shares(W_E: Float[Tensor, "vocab d_model"]) -> Float[Tensor, "29"]:
    """How the squared norm of the numbers' embeddings is shared out among the frequencies 1 to 29; the constant is left out.

    Arguments:
        W_E: the embedding.
    """
    power = (fourier_basis() @ W_E[:P].float()).pow(2).sum(-1)[1:].unflatten(0, (-1, 2)).sum(-1)
    return power / power.sum()


def without_frequencies(W_E: Float[Tensor, "vocab d_model"], frequencies: list[int]) -> Float[Tensor, "vocab d_model"]:
    """The embedding without the part that lies in some frequencies.

    Arguments:
        W_E: the embedding.
        frequencies: from 1 to 29.
    """
    rows = [row for k in frequencies for row in (2 * k - 1, 2 * k)]
    waves = fourier_basis()[rows]
    kept = W_E.clone()
    kept[:P] -= waves.T @ (waves @ W_E[:P])
    return kept


@torch.no_grad()
def losses(model: Transformer, rows: Int[Tensor, "row 3"], answers: Int[Tensor, "row"]) -> tuple[Float[Tensor, "row"], list[bool]]:
    """The loss of each sum in nats, and whether the sum is above all other tokens."""
    logits = model(rows, logits_to_keep=1)[:, -1]
    return nn.functional.cross_entropy(logits, answers, reduction="none"), (logits.argmax(-1) == answers).tolist()


def _loss_without(model: Transformer, frequencies: list[int], rows: Tensor, answers: Tensor) -> Tensor:
    whole = model.embed.weight.data
    model.embed.weight.data = without_frequencies(whole, frequencies)
    try:
        return losses(model, rows, answers)[0]
    finally:
        model.embed.weight.data = whole


def measures(model: Transformer, seed: int = 777) -> list[Measure]:
    """The lines of the card.

    Arguments:
        model: the specimen, as stored, or a control.
        seed: of the frequencies that are taken away for comparison.

    Returns:
        Accuracy and loss on the sums that were never trained on, the embedding's concentration, and the loss without the key frequencies.
    """
    rows, answers = sums()
    seen, held = split()
    held_losses, right = losses(model, rows[held], answers[held])
    shares = frequency_shares(model.embed.weight.detach())
    key = (shares.topk(N_KEY).indices + 1).tolist()
    others = [k for k in range(1, P // 2 + 1) if k not in key]
    order = torch.randperm(len(others), generator=torch.Generator().manual_seed(seed))
    some = [others[i] for i in order[:N_KEY].tolist()]
    concentration = shares.topk(N_KEY).values.sum().item()
    named = f"the key frequencies are {', '.join(map(str, sorted(key)))}"
    return [
        share("sums never trained on", right, f"share right; chance 1/{P}"),
        share("sums trained on", losses(model, rows[seen], answers[seen])[1], "share right"),
        mean("loss on sums never trained on", held_losses, f"nats; chance {math.log(P):.2f}"),
        Measure(
            f"embedding in its {N_KEY} strongest frequencies", concentration, concentration, concentration, P // 2, "share of the squared norm",
            f"{named}; counted, not sampled, so without an interval",
        ),
        mean("loss without the key frequencies", _loss_without(model, key, rows[held], answers[held]), "nats", named),
        mean(
            f"loss without {N_KEY} other frequencies", _loss_without(model, some, rows[held], answers[held]), "nats",
            f"without {', '.join(map(str, sorted(some)))}",
        ),
    ]  # fmt: skip


def train(out: Path, seed: int = 0, threads: int = 1, steps: int = Recipe.steps) -> None:
    """Train, or go on training, and write the specimen into `out / "addition"`.

    Arguments:
        out: folder for checkpoint and result.
        seed: of the first weights.
        threads: processor threads.
        steps: updates.

    Raises:
        LoadError: the checkpoint was made with other settings.
    """
    torch.set_num_threads(threads)
    recipe = Recipe(seed=seed, steps=steps)
    rows, answers = sums()
    seen, held = split(recipe)
    torch.manual_seed(seed)
    model = Transformer(recipe.model())
    for weight in model.parameters():
        nn.init.normal_(weight, std=recipe.model().d_model ** -0.5)
    training = Training(model, recipe.training())
    for group in training.optimizer.param_groups:  # the embedding remembers as well as any linear map
        group["weight_decay"] = training.config.weight_decay

    def look() -> dict[str, float]:
        (seen_loss, seen_right), (held_loss, held_right) = losses(model, rows[seen], answers[seen]), losses(model, rows[held], answers[held])
        return {
            "seen: right": sum(seen_right) / len(seen), "held out: right": sum(held_right) / len(held),
            "seen: loss": seen_loss.mean().item(), "held out: loss": held_loss.mean().item(),
        }  # fmt: skip

    for _ in runs.updates(training, out, "addition", look, every=100):
        training.update(nn.functional.cross_entropy(model(rows[seen], logits_to_keep=1)[:, -1], answers[seen]))

    folder = out / "addition"
    model.save(folder, tokenizer(), dtype=torch.float16)
    (folder / "tokenizer_config.json").write_text(json.dumps({"add_bos": False}) + "\n", encoding="utf-8")
    stored = Transformer.load(folder)
    cards.write(
        folder, "addition", sum(p.numel() for p in stored.parameters()), asdict(recipe), measures(stored), measures(permuted(stored, seed=0)),
        LIMITS, training.notes["log"],
    )  # fmt: skip


def tokenizer() -> Tokenizer:
    """Reads `12 45 =`: each number is its own id."""
    return word_tokenizer([*map(str, range(P)), EQUALS])
