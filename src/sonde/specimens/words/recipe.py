"""Trains the specimens `words`, `words-small` and `words-small-b` from nothing: `sonde specimens train words --out DIR`.

The order of the data decides. Three stages in one run:
A, until the second saying of a list costs less than 0.35 of the first: six tokens in ten are lists of random words said again, documents
   see one another. Previous-token and induction heads are born here.
B: the normal mixture, each document sees only itself, so that names and facts are learned without strangers in view.
C: the normal mixture, documents see one another again, so that what stands before a prompt becomes harmless; the learning rate cools down.
"""

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from sonde.nn import Transformer, TransformerConfig
from sonde.nn.training import Training, TrainingConfig
from sonde.nn.transformer import causal_mask
from sonde.results import LoadError
from sonde.specimens.words import evaluate
from sonde.specimens.words.card import write_card
from sonde.specimens.words.copying import copy_losses
from sonde.specimens.words.examiner import Examiner
from sonde.specimens.words.mixture import NORMAL_MIX, with_share
from sonde.specimens.words.packing import Packer
from sonde.specimens.words.tokenizer import VOCABULARY, train_tokenizer


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome, beside the world itself."""

    name: str = "words"
    """The specimen's."""
    seed: int = 0
    """Of the first weights and of the documents; the tokenizer is the same for every seed."""
    n_layers: int = 4
    """Blocks of the model."""
    d_model: int = 128
    """Its width; it has four heads a block."""
    n_ctx: int = 128
    """Tokens in a row, and the longest prompt."""
    rows: int = 8
    """Rows in a step."""
    tokens: int = 12_000_000
    """Tokens in all."""
    repeats_share: float = 0.6
    """Share of repeated lists in stage A."""
    copy_ratio: float = 0.35
    """Stage A ends when the second saying of a list costs less than this share of the first."""
    alone_tokens: int = 2_500_000
    """Tokens of stage B."""

    @property
    def step_tokens(self) -> int:
        """Tokens in one step."""
        return self.n_ctx * self.rows

    def model(self) -> TransformerConfig:
        """The shape of the model: GPT-2's, small."""
        return TransformerConfig(
            n_layers=self.n_layers, d_model=self.d_model, n_heads=4, d_mlp=4 * self.d_model, d_vocab=VOCABULARY, n_ctx=self.n_ctx
        )

    def training(self) -> TrainingConfig:
        """How it is trained."""
        return TrainingConfig(steps=self.tokens // self.step_tokens)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(),
        Recipe("words-small", n_layers=3, d_model=72),
        Recipe("words-small-b", seed=1, n_layers=3, d_model=72),
    )
}
"""The shipped specimens': the same world and tokenizer; the two small ones differ in their seed alone."""

_LOOK_EVERY = 100  # steps between two looks at the copy ratio in stage A
_KEEP_EVERY = 500  # steps between two checkpoints
_REPORT_EVERY = 1000  # steps between two lines of the log
_QUICK = 100  # items a skill in the log


def own_document_mask(input_ids: Tensor, end: int) -> Tensor:
    """The additive mask under which each document of a packed row sees only itself.

    Arguments:
        input_ids: [batch pos]; every document begins with `end`.
        end: that token.

    Returns:
        [batch 1 query key], 0 or the lowest float.
    """
    document = (input_ids == end).cumsum(-1)
    length = input_ids.shape[1]
    return causal_mask(length, length, torch.float32, input_ids.device, visible=document[:, :, None] == document[:, None, :])


def next_token_loss(model: Transformer, rows: Tensor, mask: Tensor | None) -> Tensor:
    """Mean loss of each token given those before it, in nats."""
    return torch.nn.functional.cross_entropy(model(rows[:, :-1], attention_mask=mask).flatten(0, 1), rows[:, 1:].flatten())


def _stage(recipe: Recipe, notes: dict, step: int, examiner: Examiner) -> str:
    """The stage of this step; the end of stage A is measured, and noted."""
    if "copying_since" not in notes:
        if step == 0 or step % _LOOK_EVERY:
            return "A"
        first, second = copy_losses(examiner)
        notes["copy_ratio"] = round((second.mean() / first.mean()).item(), 3)
        if notes["copy_ratio"] >= recipe.copy_ratio:
            return "A"
        notes["copying_since"] = step
    return "B" if (step - notes["copying_since"]) * recipe.step_tokens < recipe.alone_tokens else "C"


def train(recipe: Recipe, out: Path) -> tuple[Transformer, Tokenizer, list[dict]]:
    """Train, or go on training.

    Arguments:
        recipe: what to do.
        out: a checkpoint and the log are kept there.

    Returns:
        The model, its tokenizer, and the log: the skills at each thousandth step.
    """
    tokenizer = train_tokenizer()
    torch.manual_seed(recipe.seed)
    model = Transformer(recipe.model())
    training = Training(model, recipe.training())
    checkpoint = out / f"{recipe.name}-checkpoint"
    if checkpoint.exists():
        training.restore(checkpoint)
    examiner = Examiner(model, tokenizer)
    normal = Packer(tokenizer, NORMAL_MIX, recipe.n_ctx + 1)
    copying = Packer(tokenizer, with_share(NORMAL_MIX, "repeats", recipe.repeats_share), recipe.n_ctx + 1)
    notes = training.notes
    notes.setdefault("log", [])
    notes.setdefault("seconds", 0.0)
    started = time.monotonic() - notes["seconds"]
    for step in training.remaining(checkpoint, every=_KEEP_EVERY, label=recipe.name):
        stage = _stage(recipe, notes, step, examiner)
        rows = (copying if stage == "A" else normal).rows(recipe.rows, seed=f"{recipe.seed}/{step}")
        mask = own_document_mask(rows[:, :-1], normal.end) if stage == "B" else None
        loss = training.update(next_token_loss(model, rows, mask))
        notes["seconds"] = round(time.monotonic() - started, 1)
        if training.step % _REPORT_EVERY == 0 or training.step == training.config.steps:
            skills = {m.name: round(m.value, 3) for m in evaluate.measures(model, tokenizer, n=_QUICK)}
            line = {"tokens": training.step * recipe.step_tokens, "stage": stage, "loss": round(loss, 3), "seconds": notes["seconds"], **skills}
            notes["log"].append(line)
            print(json.dumps(line), flush=True)
    if "copying_since" not in notes:
        raise LoadError(
            f"stage A never ended: the copy ratio is {notes.get('copy_ratio')}, not below {recipe.copy_ratio}; give more tokens or another seed"
        )
    return model.eval(), tokenizer, notes["log"]


def _make(name: str, out: Path, seed: int, threads: int, tokens: int) -> None:
    torch.set_num_threads(threads)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    recipe = replace(RECIPES[name], seed=seed, tokens=tokens)
    model, tokenizer, log = train(recipe, out)
    write_card(model, tokenizer, asdict(recipe), log, out / name)


def words(out: Path, seed: int = 0, threads: int = 1, tokens: int = Recipe.tokens) -> None:
    """Train, and write the specimen into `out / "words"`.

    Arguments:
        out: folder for checkpoint and result; an interrupted run goes on.
        seed: of the weights and documents.
        threads: processor threads.
        tokens: tokens in all.
    """
    _make("words", out, seed, threads, tokens)


def words_small(out: Path, seed: int = 0, threads: int = 1, tokens: int = Recipe.tokens) -> None:
    """The same for `words-small`; the arguments are those of `words`."""
    _make("words-small", out, seed, threads, tokens)


def words_small_b(out: Path, seed: int = 1, threads: int = 1, tokens: int = Recipe.tokens) -> None:
    """The same for `words-small-b`, which differs from `words-small` in its seed alone; the arguments are those of `words`."""
    _make("words-small-b", out, seed, threads, tokens)
