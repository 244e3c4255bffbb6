"""Trains the specimen `words` from nothing: `python -m sonde.specimens.words.recipe --out DIR --seed 0`.

The order of the data decides. Three stages in one run:
A, until the second saying of a list costs less than 0.35 of the first: six tokens in ten are lists of random words said again, documents
   see one another. Previous-token and induction heads are born here.
B: the normal mixture, each document sees only itself, so that names and facts are learned without strangers in view.
C: the normal mixture, documents see one another again, so that what stands before a prompt becomes harmless; the learning rate cools down.
"""

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass
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
from sonde.specimens.words.mixture import NORMAL_MIX, with_share
from sonde.specimens.words.packing import Packer
from sonde.specimens.words.tokenizer import VOCABULARY, train_tokenizer


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome, beside the world itself."""

    seed: int = 0
    """Of the first weights and of the documents."""
    n_ctx: int = 128
    """Tokens in a row, and the longest prompt."""
    rows: int = 8
    """Rows in a step."""
    tokens: int = 8_000_000
    """Tokens in all."""
    repeats_share: float = 0.6
    """Share of repeated lists in stage A."""
    copy_ratio: float = 0.35
    """Stage A ends when the second saying of a list costs less than this share of the first."""
    alone_tokens: int = 1_500_000
    """Tokens of stage B."""

    @property
    def step_tokens(self) -> int:
        """Tokens in one step."""
        return self.n_ctx * self.rows

    def model(self) -> TransformerConfig:
        """The shape of the model: GPT-2's, small."""
        return TransformerConfig(n_layers=4, d_model=128, n_heads=4, d_mlp=512, d_vocab=VOCABULARY, n_ctx=self.n_ctx)

    def training(self) -> TrainingConfig:
        """How it is trained."""
        return TrainingConfig(steps=self.tokens // self.step_tokens)


_LOOK_EVERY = 100  # steps between two looks at the copy ratio in stage A
_REPORT_EVERY = 500  # steps between two lines of the log, and two checkpoints
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


def _stage(recipe: Recipe, notes: dict, step: int, examiner: evaluate.Examiner) -> str:
    """The stage of this step; the end of stage A is measured, and noted."""
    if "copying_since" not in notes:
        if step == 0 or step % _LOOK_EVERY:
            return "A"
        first, second = evaluate.copy_losses(examiner)
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
        The model, its tokenizer, and the log: the skills at each 500th step.
    """
    tokenizer = train_tokenizer(recipe.seed)
    torch.manual_seed(recipe.seed)
    model = Transformer(recipe.model())
    training = Training(model, recipe.training())
    checkpoint = out / "checkpoint"
    if checkpoint.exists():
        training.restore(checkpoint)
    examiner = evaluate.Examiner(model, tokenizer)
    normal = Packer(tokenizer, NORMAL_MIX, recipe.n_ctx + 1)
    copying = Packer(tokenizer, with_share(NORMAL_MIX, "repeats", recipe.repeats_share), recipe.n_ctx + 1)
    notes = training.notes
    notes.setdefault("log", [])
    notes.setdefault("seconds", 0.0)
    started = time.monotonic() - notes["seconds"]
    for step in training.remaining(checkpoint, every=_REPORT_EVERY, label="words"):
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


def run(out: Path, seed: int = 0, threads: int = 1, tokens: int = Recipe.tokens) -> None:
    """Train, and write the specimen into `out / "words"`.

    Arguments:
        out: folder for checkpoint and result; an interrupted run goes on.
        seed: of the weights and documents.
        threads: processor threads.
        tokens: tokens in all.
    """
    torch.set_num_threads(threads)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    recipe = Recipe(seed=seed, tokens=tokens)
    model, tokenizer, log = train(recipe, out)
    write_card(model, tokenizer, asdict(recipe), log, out / "words")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Train the specimen 'words'.")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and result; an interrupted run goes on")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and documents")
    parser.add_argument("--tokens", type=int, default=Recipe.tokens, help="tokens in all")
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    run(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
