"""Relation vectors: does a model get an answer by adding one and the same vector to the argument?

The block whose MLP raises the answer most is chosen on some questions, and what that MLP adds at the last token of one question is the relation
vector o. Added in the same place to other prompts, which name another argument and do not ask, it should bring forth their answers; a random vector
of the same length should not (Merullo et al. 2024). A model that looks every answer up has no such vector: what it adds for one argument is of no
use to another, so that success says something. And without the MLP the questions themselves should lose their answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Add, Edit, Model, Zero
from sonde.evidence import compare, random_directions, untestable
from sonde.lens.course import answer_course
from sonde.lens.questions import Question, columns, reciprocal_rank
from sonde.results import Drawing, InputError, Recipe, Result, SiteUnavailable, Verdict, shown
from sonde.results.drawing import Series, bars, lines, tabs

if TYPE_CHECKING:
    from polars import DataFrame

MOVES = "reciprocal rank of the answer with the vector of other questions added to a prompt that does not ask; control: random vectors of its length"
NEEDED = "reciprocal rank of the answer without the block's MLP at the last token; control: without the MLP of each other block"
SECOND, SECOND_SOURCE = 0.5, "the answer stands second on average: a convention"


@dataclass(frozen=True, eq=False, repr=False)
class RelationVectors(Result):
    """What one MLP added for some questions, and what it does to others. All numbers are reciprocal ranks of the answer.

    Arguments:
        layer: the block.
        jump: by how much each block's MLP raises the answer, on the questions on which the block was chosen.
        vectors: one for each source question.
        sources, targets: the arguments of the questions that gave the vectors, and of those that were judged.
        without: in the bare prompts as they are.
        moved: with each source's vector added; NaN where source and target have the same answer.
        random: with random vectors added, each as long as the sources' mean length.
        other: with the vectors of another relation added, where they were given.
        asked: in the questions themselves.
        ablated: there, without each block's MLP at the last token.
        unrelated: the loss on the next token of unrelated text, in nats: as it is, and without the block's MLP at the last token.
    """

    layer: int
    jump: Float[Tensor, " layer"]
    vectors: Float[Tensor, "source d_model"]
    sources: list[str]
    targets: list[str]
    without: Float[Tensor, " target"]
    moved: Float[Tensor, "source target"]
    random: Float[Tensor, "draw target"]
    other: Float[Tensor, "vector target"] | None
    asked: Float[Tensor, " target"]
    ablated: Float[Tensor, "layer target"]
    unrelated: tuple[float, float] | None

    def to_frame(self) -> "DataFrame":
        """One row for each judged question."""
        import polars as pl

        return pl.DataFrame(
            {
                "of": self.targets, "without": self.without.tolist(), "moved": self.moved.nanmean(0).tolist(),
                "random": self.random.mean(0).tolist(), "asked": self.asked.tolist(), "ablated": self.ablated[self.layer].tolist(),
                **({} if self.other is None else {"other": self.other.mean(0).tolist()}),
            }
        )  # fmt: skip

    def drawing(self) -> Drawing:
        """What the vector does to prompts that do not ask, and which MLP raises the answer."""
        effects = {"no vector": self.without, "vector of other questions": self.moved.nanmean(0), "random vectors": self.random.mean(0)}
        if self.other is not None:
            effects["vectors of another relation"] = self.other.mean(0)
        effects |= {"the question itself": self.asked, f"the question without MLP {self.layer}": self.ablated[self.layer]}
        note = f"MLP {self.layer}; {len(self.sources)} vectors, judged on {len(self.targets)} other questions."
        if self.unrelated is not None:
            note += f" Without the MLP the loss on unrelated text goes from {self.unrelated[0]:.3g} to {self.unrelated[1]:.3g} nats."
        blocks = list(range(len(self.jump)))
        return tabs(
            "Is the answer got by adding a vector?",
            [
                ("effects", bars("What brings forth the answer?", "reciprocal rank of the answer, mean", list(effects),
                                 [float(values.nanmean()) for values in effects.values()], note=note)),
                ("blocks", lines("Which MLP raises the answer?", "rise of the answer's reciprocal rank", "block", blocks,
                                 [Series("MLP", self.jump)])),
            ],
        )  # fmt: skip

    def check(self, model: Model) -> list[Verdict]:  # type: ignore[override]
        """Whether the vector brings forth answers where random ones do not, and whether the questions need the MLP.

        Arguments:
            model: the one that was asked.

        Raises:
            CheckRefused: another model.
        """
        self.refuse_other(model)
        claim = f"What MLP {self.layer} adds for one question brings forth the answers of others."
        moved, right = self.moved.nanmean(0), ~self.moved.isnan().all(0)
        verdicts = [compare(claim, MOVES, moved[right], self.random[:, right], threshold=SECOND, threshold_source=SECOND_SOURCE)]
        needs = f"The questions need MLP {self.layer} more than other MLPs."
        others = [i for i in range(len(self.ablated)) if i != self.layer]
        if len(others) < 2:
            reason = "there are no two other blocks"
            return [*verdicts, untestable(needs, NEEDED, reason, direction="less", threshold=SECOND, threshold_source=SECOND_SOURCE)]
        needed = compare(
            needs, NEEDED, self.ablated[self.layer], self.ablated[others], direction="less", threshold=SECOND, threshold_source=SECOND_SOURCE
        )
        return [*verdicts, needed]


def relation_vectors(
    model: Model, search: Sequence[Question], evaluate: Sequence[Question], layer: int | None = None,
    bare: Sequence[Sequence[int]] | None = None, other: Float[Tensor, "vector d_model"] | None = None, sources: int = 4, draws: int = 20,
    unrelated: Sequence[Sequence[int]] = (), seed: int = 0,
) -> RelationVectors:  # fmt: skip
    """Take relation vectors from some questions, and add them to prompts of others.

    Arguments:
        model: a language model of a known family, with MLPs.
        search: the questions on which the block is chosen, and which give the vectors.
        evaluate: other questions, with other arguments.
        layer: the block; by default the one whose MLP raises the answer most.
        bare: for each question to judge a prompt that names its argument and does not ask; by default the question up to its argument.
        other: vectors of another relation, to compare with.
        sources: how many questions give a vector each.
        draws: random vectors of the same length.
        unrelated: rows of text on which the loss without the MLP is measured.
        seed: of the random vectors.

    Raises:
        InputError: no questions, no such block, not one bare prompt for each question. SiteUnavailable: blocks whose MLP has no state before it.
    """
    if "blocks.0.resid_mid" not in model.architecture.sites or "blocks.0.mlp.out" not in model.architecture.sites:
        raise SiteUnavailable(f"{model.name} ({model.architecture.family}) has no stream between attention and MLP: its MLPs raise no answer alone")
    if layer is not None and layer not in range(model.n_layers):
        raise InputError(f"layer={shown(layer)}: {model.name} has the blocks 0 to {model.n_layers - 1}")
    if sources < 1 or draws < 2:
        raise InputError(f"sources={sources}, draws={draws}: take 1 vector or more, and at least 2 random ones")
    course = answer_course(model, search)
    at = course.layers.index
    after = [at(str(i)) if i < model.n_layers - 1 else at("model") for i in range(model.n_layers)]
    jump = torch.stack([(course.answer[after[i]] - course.answer[at(f"{i} attention")]).mean() for i in range(model.n_layers)])
    block = int(jump.argmax()) if layer is None else layer
    rows, _, answers = columns(evaluate)
    prompts = [list(row) for row in (bare or [one.bare for one in evaluate])]
    if len(prompts) != len(rows):
        raise InputError(f"bare: {len(prompts)} prompts for {len(rows)} questions; give one for each")
    site = f"blocks.{block}.mlp.out[pos=-1]"
    chosen = _distinct(search, sources)
    vectors = model.run([list(one.ids) for one in chosen], read=site, logits=False)[site].float().cpu()
    lengths = vectors.norm(dim=1)

    def ranks(given: list[list[int]], edits: Sequence[Edit] = ()) -> Tensor:
        return reciprocal_rank(model.run(given, edits=list(edits), logits="last").last_logits.float(), answers).cpu()

    same = torch.tensor([[one.answer == target.answer for target in evaluate] for one in chosen])
    moved = torch.stack([ranks(prompts, [Add(site, vector)]) for vector in vectors]).masked_fill(same, torch.nan)
    random = torch.stack([ranks(prompts, [Add(site, drawn * lengths.mean())]) for drawn in random_directions(model.d_model, draws, seed)])
    ablated = torch.stack([ranks(rows, [Zero(f"blocks.{i}.mlp.out[pos=-1]")]) for i in range(model.n_layers)])
    strings = model.tokenizer.strings if model.tokenizer else lambda ids: [str(i) for i in ids]
    arguments = {"layer": layer, "sources": sources, "draws": draws}
    return RelationVectors(
        layer=block,
        jump=jump,
        vectors=vectors,
        sources=strings([one.argument for one in chosen]),
        targets=strings([one.argument for one in evaluate]),
        without=ranks(prompts),
        moved=moved,
        random=random,
        other=None if other is None else torch.stack([ranks(prompts, [Add(site, vector)]) for vector in other]),
        asked=ranks(rows),
        ablated=ablated,
        unrelated=_losses(model, unrelated, Zero(site)) if len(unrelated) else None,
        recipe=Recipe.of(
            "sonde.lens.relation_vectors", arguments, model_hash=model.hash, inputs=[[list(one.ids) for one in search], rows, prompts], seed=seed
        ),
    )


def _distinct(search: Sequence[Question], most: int) -> list[Question]:
    """The first questions with answers of their own."""
    by_answer: dict[int, Question] = {}
    for one in search:
        by_answer.setdefault(one.answer, one)
    return list(by_answer.values())[:most]


def _losses(model: Model, rows: Sequence[Sequence[int]], edit: Edit) -> tuple[float, float]:
    """The loss on each row's last token from those before it: as it is, and edited."""
    given, wanted = [list(row[:-1]) for row in rows], torch.tensor([row[-1] for row in rows])
    logits = [model.run(given, edits=edits, logits="last").last_logits.float().cpu() for edits in ([], [edit])]
    plain, edited = (float(torch.nn.functional.cross_entropy(one, wanted)) for one in logits)
    return plain, edited
