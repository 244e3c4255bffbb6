"""What the specimen can do, measured on held-out draws, each figure with its number of items and a 95 % interval.

"Right" means: for a name, above the other 79 names; for a verb or pronoun, above its wrong form; for a day, number or capital, at the top
of the whole vocabulary. Years: probability of the later years of the century less that of the others.
Rightness is a share and has Wilson's interval; the other measures are means and have the normal one.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor

from sonde.nn import Transformer, eager_attention_forward
from sonde.specimens.measures import Measure, mean, share
from sonde.specimens.words import grammar, knowledge, people, world
from sonde.specimens.words.documents import Document
from sonde.specimens.words.mixture import NORMAL_MIX
from sonde.specimens.words.packing import Packer
from sonde.specimens.words.tokenizer import end_id

_LIST = 20  # words in the lists that are said twice
_ROWS = 64  # such lists


class Examiner:
    """A model and its tokenizer, asked in batches.

    Arguments:
        model: the specimen.
        tokenizer: its tokenizer.
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.end = end_id(tokenizer)
        self.names = [self.token(f" {name}") for name in world.NAMES]

    def token(self, text: str) -> int:
        """The id of a text that is one token."""
        (single,) = self.tokenizer.encode(text).ids
        return single

    @torch.no_grad()
    def ask(self, prompts: Sequence[str], before: Sequence[str] | None = None) -> Float[Tensor, "prompt vocab"]:
        """Log-probabilities of the token after each prompt.

        Arguments:
            prompts: each is read as a document of its own.
            before: one other document for each prompt, to stand before it.
        """
        rows = [[self.end, *self.tokenizer.encode(prompt).ids] for prompt in prompts]
        if before is not None:
            rows = [[self.end, *self.tokenizer.encode(text).ids, *row] for text, row in zip(before, rows, strict=True)]
        length = max(map(len, rows))
        input_ids = torch.full((len(rows), length), self.end)
        mask = torch.zeros_like(input_ids)
        for i, row in enumerate(rows):  # on the left, so that all prompts end in the last column
            input_ids[i, length - len(row) :], mask[i, length - len(row) :] = torch.tensor(row), 1
        parts = [self.model(ids, attention_mask=m, logits_to_keep=1)[:, -1] for ids, m in zip(input_ids.split(100), mask.split(100), strict=True)]
        return torch.cat(parts).float().log_softmax(-1)

    def names_the(self, documents: Sequence[Document], before: Sequence[str] | None = None) -> list[bool]:
        """Whether the answer is above all other names."""
        scores = self.ask([d.prompt for d in documents], before)[:, self.names]
        return [self.names[best] == self.token(d.answer) for best, d in zip(scores.argmax(-1).tolist(), documents, strict=True)]

    def prefers(self, documents: Sequence[Document], wrong: Callable[[Document], str]) -> list[bool]:
        """Whether the answer is above the wrong one."""
        scores = self.ask([d.prompt for d in documents])
        return [bool(row[self.token(d.answer)] > row[self.token(wrong(d))]) for row, d in zip(scores, documents, strict=True)]

    def tops(self, documents: Sequence[Document]) -> list[bool]:
        """Whether the answer is at the top of the whole vocabulary."""
        best = self.ask([d.prompt for d in documents]).argmax(-1).tolist()
        return [b == self.token(d.answer) for b, d in zip(best, documents, strict=True)]


def _indirect_objects(examiner: Examiner, n: int, rng: random.Random) -> list[Measure]:
    unit = "share right, against 79 other names"
    two = [people.indirect_object(rng, held=True, kind="two") for _ in range(n)]
    right = examiner.names_the(two)
    others = [people.indirect_object(rng).text for _ in range(n)]
    measures = [
        share("indirect object", right, unit),
        share("indirect object, receiver named first", [r for r, d in zip(right, two, strict=True) if d.truth["io_first"]], unit),
        share("indirect object, giver named first", [r for r, d in zip(right, two, strict=True) if not d.truth["io_first"]], unit),
        share("receiver above giver", examiner.prefers(two, lambda d: f" {d.truth['givers'][0]}"), "share right"),
        share("indirect object after another such document", examiner.names_the(two, before=others), unit),
    ]
    for kind in people.KINDS:
        if kind != "two":
            asked = [people.indirect_object(rng, held=True, kind=kind) for _ in range(n)]
            measures.append(share(f"indirect object, {kind.replace('_', ' ')}", examiner.names_the(asked), unit))
    for frame in people.HELD_OUT_LEADS:
        asked = [people.indirect_object(rng, held=True, kind="two", frame=frame) for _ in range(n)]
        measures.append(share(f"unseen frame: {frame}", examiner.names_the(asked), unit, "this frame is never trained on"))
    return measures


def _other_skills(examiner: Examiner, n: int, rng: random.Random) -> list[Measure]:
    agreement = [grammar.agreement(rng, held=True) for _ in range(n)]
    pronouns = [people.pronoun(rng, held=True) for _ in range(n)]
    measures = [
        share(
            "agreement across a distractor of the other number",
            examiner.prefers(agreement, lambda d: d.truth["wrong"]),
            "share right, against the other form",
        ),
        share("pronoun of a name's gender", examiner.prefers(pronouns, lambda d: d.truth["wrong"]), "share right, against the other pronoun"),
    ]
    known = "memorised: name, frame or word are combined anew, the fact itself is trained"
    measures.append(
        share("succession", examiner.tops([knowledge.succession(rng, held=True) for _ in range(n)]), "share right, whole vocabulary", known)
    )
    measures.append(share("capitals", examiner.tops([knowledge.capital(rng, held=True) for _ in range(n)]), "share right, whole vocabulary", known))
    years = [knowledge.years(rng, held=True) for _ in range(n)]
    suffixes = torch.tensor([examiner.token(f"{suffix:02d}") for suffix in range(100)])
    probabilities = examiner.ask([d.prompt for d in years]).exp()[:, suffixes]
    later = torch.arange(100) > torch.tensor([[d.truth["start"]] for d in years])
    difference = (probabilities * later).sum(-1) - (probabilities * ~later).sum(-1)
    measures.append(mean("years", difference, "P(later year) - P(other year)", "both years share their century, in training too"))
    return measures


def _twice_said(examiner: Examiner, rng: random.Random) -> Tensor:
    """Rows: the end token, a list of random words, the same list."""
    words = [examiner.token(f" {word}") for word in world.WORD_POOL]
    rows = [rng.choices(words, k=_LIST) for _ in range(_ROWS)]
    return torch.tensor([[examiner.end, *row, *row] for row in rows])


@torch.no_grad()
def copy_losses(examiner: Examiner, seed: int = 31) -> tuple[Float[Tensor, "row"], Float[Tensor, "row"]]:
    """Mean loss on the first and on the second copy of a list of random words, in nats a token.

    The second copy is taken from its second word on: its first cannot be foreseen.
    """
    ids = _twice_said(examiner, random.Random(seed))
    scores = examiner.model(ids[:, :-1]).float().log_softmax(-1)
    losses = -scores.gather(-1, ids[:, 1:, None])[..., 0]
    return losses[:, :_LIST].mean(-1), losses[:, _LIST + 1 :].mean(-1)


@torch.no_grad()
def head_roles(examiner: Examiner, seed: int = 31) -> dict[str, list[tuple[str, float]]]:
    """The three heads that look most at the previous token, and at what followed the same word before.

    Arguments:
        examiner: with the model.
        seed: of the lists of random words.

    Returns:
        For each role the heads as `layer.head` with their mean attention, the highest first.
    """
    patterns: list[Tensor] = []

    def watch(*arguments: Any, **options: Any) -> tuple[Tensor, Tensor]:
        out, pattern = eager_attention_forward(*arguments, **options)
        patterns.append(pattern.mean(0))
        return out, pattern

    attentions = examiner.model.attentions
    kernels = [attention.kernel for attention in attentions]
    try:
        for attention in attentions:
            attention.kernel = watch
        examiner.model(_twice_said(examiner, random.Random(seed)))
    finally:
        for attention, kernel in zip(attentions, kernels, strict=True):
            attention.kernel = kernel
    pattern_lhqk = torch.stack(patterns)
    every = torch.arange(1, 2 * _LIST + 1)
    second = torch.arange(_LIST + 1, 2 * _LIST)  # the last word has nothing after it to foresee
    scores = {"previous token": pattern_lhqk[..., every, every - 1].mean(-1), "induction": pattern_lhqk[..., second, second - _LIST + 1].mean(-1)}
    n_heads = pattern_lhqk.shape[1]
    return {
        role: [(f"{i // n_heads}.{i % n_heads}", score.flatten()[i].item()) for i in score.flatten().topk(3).indices.tolist()]
        for role, score in scores.items()
    }


@torch.no_grad()
def mixture_loss(examiner: Examiner, rows: int = 64) -> Measure:
    """Loss on fresh documents of the training mixture, in nats a token."""
    length = examiner.model.config.n_ctx
    ids = Packer(examiner.tokenizer, NORMAL_MIX, length + 1).rows(rows, seed="held-out mixture")
    scores = examiner.model(ids[:, :-1]).float().log_softmax(-1)
    return mean("loss on the training mixture", -scores.gather(-1, ids[:, 1:, None])[..., 0].mean(-1), "nats a token, mean over rows")


def measures(model: Transformer, tokenizer: Tokenizer, n: int = 400, seed: int = 777) -> list[Measure]:
    """All lines of the card.

    Arguments:
        model: the specimen, as stored.
        tokenizer: its tokenizer.
        n: items for each skill.
        seed: of the items.

    Returns:
        The measures.
    """
    examiner, rng = Examiner(model, tokenizer), random.Random(seed)
    first, second = copy_losses(examiner)
    copying = mean("copying: loss on the second saying of a list, over the first", second / first, "ratio of losses, mean over lists")
    return [*_indirect_objects(examiner, n, rng), *_other_skills(examiner, n, rng), copying, mixture_loss(examiner)]
