"""The specimen `induction`: two layers of attention and nothing else, trained on random words parts of which are said again.

Nothing can be foreseen but a word that follows in a part said before. Two layers can find it (Elhage et al. 2021, "A Mathematical Framework for
Transformer Circuits"; Olsson et al. 2022, "In-context Learning and Induction Heads"): a head of the first layer looks at the previous token, so that
each place knows what stood before it; a head of the second looks for the place before which the present word stood, and copies the word there.
"""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from tokenizers import Tokenizer
from torch import Tensor

from sonde.access import Model, Zero
from sonde.nn import Transformer, TransformerConfig, permuted
from sonde.nn.training import Training, TrainingConfig
from sonde.specimens import cards, runs
from sonde.specimens.measures import Measure, mean
from sonde.specimens.wordlevel import word_tokenizer
from sonde.specimens.words.world import WORD_POOL

BOS = "<bos>"
"""Stands before every text; its id is 0."""

WORDS = WORD_POOL[:256]
"""The words it knows, with the ids from 1 on; which words they are plays no part."""

PERIODS = (12, 20, 28)
"""Words in the lists that are measured on."""

ROLE = 0.2
"""Share of its attention from which on a head is named for what it looks at."""

LIMITS = (
    "It has seen random words only: it continues what was said before, and knows no word, no grammar and no fact.",
    "Texts of at most 64 tokens that begin with <bos>; a word out of its vocabulary is refused.",
    "One training run, one seed: which heads do it differs from seed to seed.",
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    seed: int = 0
    """Of the first weights and of the rows."""
    steps: int = 3000
    """Updates."""
    rows: int = 32
    """Rows in an update."""

    def model(self) -> TransformerConfig:
        """The shape of the model: attention only, with rotary positions."""
        return TransformerConfig(
            n_layers=2, d_model=64, n_heads=4, d_vocab=len(WORDS) + 1, n_ctx=64, d_mlp=0, positional="rotary", tied=False, bias=False
        )

    def training(self) -> TrainingConfig:
        """How it is trained."""
        return TrainingConfig(steps=self.steps, lr=3e-3)


def rows(n: int, seed: str, length: int = 64) -> Int[Tensor, "row pos"]:
    """Rows as training reads them: `<bos>`, some random words, then by turns a part of the row said again and a few new words.

    Arguments:
        n: how many.
        seed: the same seed gives the same rows.
        length: words after `<bos>`.

    Returns:
        Token ids.
    """
    rng = random.Random(seed)

    def new(count: int) -> list[int]:
        return [rng.randrange(1, len(WORDS) + 1) for _ in range(count)]

    drawn = []
    for _ in range(n):
        row = new(rng.randrange(4, 13))
        while len(row) < length:
            start = rng.randrange(len(row) - 3)
            row += row[start : start + rng.randrange(4, 17)]
            row += new(rng.randrange(5))
        drawn.append([0, *row[:length]])
    return torch.tensor(drawn)


def twice_said(n: int, period: int, seed: int) -> Int[Tensor, "row pos"]:
    """Rows of `<bos>`, a list of random words without repetition, and the same list again.

    Arguments:
        n: how many.
        period: words in the list.
        seed: of the words.

    Returns:
        Token ids, 2 period + 1 a row.
    """
    generator = torch.Generator().manual_seed(seed)
    lists = torch.stack([torch.randperm(len(WORDS), generator=generator)[:period] + 1 for _ in range(n)])
    return torch.cat([torch.zeros(n, 1, dtype=torch.long), lists, lists], dim=1)


def tokenizer() -> Tokenizer:
    """Reads words of `WORDS`, separated by spaces."""
    return word_tokenizer([BOS, *WORDS], special=[BOS])


def token_losses(logits: Float[Tensor, "row pos vocab"], ids: Int[Tensor, "row pos"]) -> Float[Tensor, "row next_pos"]:
    """The loss of each token but the first, in nats."""
    return -logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]


def head_scores(model: Model, ids: Int[Tensor, "row pos"]) -> tuple[Float[Tensor, "row layer head"], Float[Tensor, "row layer head"]]:
    """How much each head looks at the previous token, and how much at what followed the present word when it was said before.

    Arguments:
        model: the handle.
        ids: of `twice_said`.

    Returns:
        Mean attention over the places where there is such a token, for each row.
    """
    run = model.run(ids, read="blocks.*.attn.pattern", logits=False)
    pattern = torch.stack([run[f"blocks.{layer}.attn.pattern"] for layer in range(model.n_layers)], dim=1)
    every, period = torch.arange(1, ids.shape[1]), ids.shape[1] // 2
    second = torch.arange(period + 1, 2 * period)  # the last word has nothing after it to foresee
    return pattern[..., every, every - 1].mean(-1), pattern[..., second, second - period + 1].mean(-1)


def find_heads(model: Model, seed: int = 5) -> dict[str, list[tuple[int, int]]]:
    """The heads that give more than a fifth of their attention to the previous token, or to what followed the word before; and the others.

    Arguments:
        model: the handle.
        seed: of the random words.

    Returns:
        For `previous token`, `induction` and `other` the heads as (layer, head).
    """
    scores = [head_scores(model, twice_said(32, period, seed)) for period in PERIODS]
    previous, induction = (torch.cat(each).mean(0) for each in zip(*scores, strict=True))
    found = {"previous token": (previous > ROLE).nonzero().tolist(), "induction": (induction > ROLE).nonzero().tolist()}
    found["other"] = ((previous <= ROLE) & (induction <= ROLE)).nonzero().tolist()
    return {role: [(layer, head) for layer, head in heads] for role, heads in found.items()}


def copy_losses(model: Model, seed: int, without: Sequence[tuple[int, int]] = ()) -> tuple[Float[Tensor, "row"], Float[Tensor, "row"]]:
    """Mean loss on the first and on the second saying of lists of random words, in nats a token; the second from its second word on.

    Arguments:
        model: the handle.
        seed: of the words.
        without: heads as (layer, head) that write nothing.
    """
    edits = [Zero(f"blocks.{layer}.attn.z[head={head}]") for layer, head in without]
    first, second = [], []
    for period in PERIODS:
        ids = twice_said(32, period, seed)
        losses = token_losses(model.run(ids, edits=edits).logits, ids)
        first.append(losses[:, :period].mean(-1))
        second.append(losses[:, period + 1 :].mean(-1))
    return torch.cat(first), torch.cat(second)


def measures(network: Transformer, seed: int = 777) -> list[Measure]:
    """The lines of the card.

    Arguments:
        network: the specimen, as stored, or a control.
        seed: of the random words that are measured on; the heads are found on others.

    Returns:
        What is copied, what the context is worth, which heads look where, and what is left without them.
    """
    model = Model(network)
    heads = find_heads(model)
    names = {role: ", ".join(f"{layer}.{head}" for layer, head in found) or "none" for role, found in heads.items()}
    first, second = copy_losses(model, seed)
    scores = [head_scores(model, twice_said(32, period, seed)) for period in PERIODS]
    previous, induction = (torch.cat(each).flatten(1) for each in zip(*scores, strict=True))
    fresh = rows(96, seed=f"held out {seed}")[:, :-1]
    by_place = token_losses(model.run(fresh).logits, fresh)
    tenth = by_place.shape[1] // 10
    lists = f"lists of {', '.join(map(str, PERIODS))} words"
    return [
        mean("loss on the second saying of a list, over the first", second / first, "ratio of losses", lists),
        mean("loss on the first saying", first, f"nats a token; chance {math.log(len(WORDS)):.2f}"),
        mean("loss on the second saying", second, "nats a token"),
        mean("in-context learning score", by_place[:, -tenth:].mean(-1) - by_place[:, :tenth].mean(-1), "nats a token, last tenth less first tenth"),
        mean("attention to the previous token, strongest head", previous[:, previous.mean(0).argmax()], "share of attention"),
        mean("attention to what followed, strongest head", induction[:, induction.mean(0).argmax()], "share of attention"),
        mean(
            "loss on the second saying, without previous-token heads", copy_losses(model, seed, heads["previous token"])[1], "nats a token",
            f"heads {names['previous token']}, found on other words",
        ),
        mean(
            "loss on the second saying, without induction heads", copy_losses(model, seed, heads["induction"])[1], "nats a token",
            f"heads {names['induction']}, found on other words",
        ),
        mean(
            "loss on the second saying, without the other heads", copy_losses(model, seed, heads["other"])[1], "nats a token",
            f"heads {names['other']}",
        ),
    ]  # fmt: skip


def train(out: Path, seed: int = 0, threads: int = 1, steps: int = Recipe.steps) -> None:
    """Train, or go on training, and write the specimen into `out / "induction"`.

    Arguments:
        out: folder for checkpoint and result.
        seed: of the first weights and the rows.
        threads: processor threads.
        steps: updates.

    Raises:
        LoadError: the checkpoint was made with other settings.
    """
    torch.set_num_threads(threads)
    recipe = Recipe(seed=seed, steps=steps)
    torch.manual_seed(seed)
    network = Transformer(recipe.model())
    training = Training(network, recipe.training())
    period = 25
    repeated = twice_said(64, period, seed=31)

    @torch.no_grad()
    def look() -> dict[str, float]:
        losses = token_losses(network(repeated), repeated)
        return {"first saying: loss": losses[:, :period].mean().item(), "second saying: loss": losses[:, period + 1 :].mean().item()}

    for step in runs.updates(training, out, "induction", look, every=250):
        ids = rows(recipe.rows, seed=f"{seed}/{step}")
        training.update(token_losses(network(ids[:, :-1]), ids[:, :-1]).mean())

    folder = out / "induction"
    network.save(folder, tokenizer(), dtype=torch.float16)
    special = {"bos_token": BOS, "pad_token": BOS, "add_bos": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(special, indent=2) + "\n", encoding="utf-8")
    stored = Transformer.load(folder)
    cards.write(
        folder, "induction", sum(p.numel() for p in stored.parameters()), asdict(recipe), measures(stored), measures(permuted(stored, seed=0)),
        LIMITS, training.notes["log"],
    )  # fmt: skip
