"""The hidden-state table of a question: what the last token's state says, layer by layer, and when the argument gives way to the answer.

Three phases (Merullo et al. 2024, "Language Models Implement Simple Word2Vec-style Vector Arithmetic"): the argument is formed (Poland stands above
Warsaw), a function is applied to it (Warsaw takes its place), and the answer is saturated (it stands first from there on).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.lens.bands import banded
from sonde.lens.questions import Question, columns, reciprocal_rank
from sonde.lens.reading import Read, layer_sites, prove_last, read_out, readable
from sonde.results import Drawing, Recipe, Result
from sonde.results.drawing import lens, lines, tabs

if TYPE_CHECKING:
    from polars import DataFrame

FORMED = 0.1  # mean reciprocal rank: the argument is among the ten best
SATURATED = 0.75  # of the questions


@dataclass(frozen=True, eq=False, repr=False)
class AnswerCourse(Result):
    """How the answers of some questions arise in the last token's states.

    Arguments:
        layers: the rows: the embedding, each half of a block (each block where there are no halves), and the model.
        tokens: the text of each question's argument.
        answers: the text of each answer.
        top_tokens: the likeliest tokens by layer and question.
        probability: theirs.
        argument: reciprocal rank of the argument.
        answer: reciprocal rank of the answer.
    """

    layers: list[str]
    tokens: list[str]
    answers: list[str]
    top_tokens: list[list[list[str]]]
    probability: Float[Tensor, "layer question k"]
    argument: Float[Tensor, "layer question"]
    answer: Float[Tensor, "layer question"]

    @property
    def phases(self) -> dict[str, str | None]:
        """The first row of each phase, by the means over the questions; `None` for a phase that is not seen."""
        argument, answer, first = self.argument.mean(1), self.answer.mean(1), (self.answer == 1).float().mean(1)
        rows = range(len(self.layers))
        formed = next((i for i in rows if argument[i] > answer[i] and argument[i] >= FORMED), None)
        applied = next((i for i in rows if formed is not None and i > formed and bool((answer[i:] > argument[i:]).all())), None)
        saturated = next((i for i in rows if bool((first[i:] >= SATURATED).all())), None)
        named = {"argument": formed, "function": applied, "saturation": saturated}
        return {name: None if i is None else self.layers[i] for name, i in named.items()}

    def to_frame(self) -> "DataFrame":
        """One row for each layer and question."""
        import polars as pl

        places = [(layer, one) for layer in range(len(self.layers)) for one in range(len(self.tokens))]
        return pl.DataFrame(
            {
                "layer": [self.layers[layer] for layer, _ in places], "question": [one for _, one in places],
                "of": [self.tokens[one] for _, one in places], "right": [self.answers[one] for _, one in places],
                "top": [self.top_tokens[layer][one][0] for layer, one in places],
                "argument": self.argument.flatten().tolist(), "answer": self.answer.flatten().tolist(),
            }
        )  # fmt: skip

    def drawing(self) -> Drawing:
        """The table of the first questions, and both courses."""
        n = min(len(self.tokens), 12)
        details = [
            [list(zip(names, values.tolist(), strict=True)) for names, values in zip(row[:n], self.probability[i, :n], strict=True)]
            for i, row in enumerate(self.top_tokens)
        ]
        table = lens(
            "What does the last token's state say?", "reciprocal rank of the answer", tokens=self.tokens[:n], layers=self.layers,
            top=[[names[0] for names in row[:n]] for row in self.top_tokens], values=self.answer[:, :n], details=details, limit=1.0,
            marks=[[row[one][0] == self.top_tokens[-1][one][0] for one in range(n)] for row in self.top_tokens],
            note=f"Columns are the arguments of {n} of {len(self.tokens)} questions.",
        )  # fmt: skip
        told = ", ".join(f"{name} from {where}" for name, where in self.phases.items() if where) or "no phase is seen"
        courses = lines(
            "When does the argument give way to the answer?", "reciprocal rank", "layer", self.layers,
            [banded("argument", self.argument), banded("answer", self.answer)], note=f"By the means over {len(self.tokens)} questions: {told}.",
        )  # fmt: skip
        return tabs("How does the answer arise?", [("courses", courses), ("table", table)])


def answer_course(model: Model, asked_about: Sequence[Question], k: int = 5) -> AnswerCourse:
    """Read the last token of some questions at every layer.

    Arguments:
        model: a language model of a known family.
        asked_about: of `questions` or `asked`.
        k: tokens that are kept of each reading.

    Raises:
        InputError: no questions. SiteUnavailable: a model without unembedding.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> answer_course(model, sonde.lens.questions(sonde.tasks.load("capital", model, n=4), "country")).layers[-1]
    'model'
    """
    readable(model)
    rows, arguments, answers = columns(asked_about)
    read: Read = "halves" if "blocks.0.resid_mid" in model.architecture.sites else "blocks"
    sites = layer_sites(model, read)
    run = model.run(rows, read=list(sites.values()))
    prove_last(model, run)
    top_tokens, found = [], []
    for site in sites.values():
        logits = read_out(model, run[f"{site}[pos=-1]"])
        top = logits.softmax(-1).topk(min(k, logits.shape[-1]))
        top_tokens.append([_strings(model, ids.tolist()) for ids in top.indices])
        found.append((top.values.cpu(), reciprocal_rank(logits, arguments).cpu(), reciprocal_rank(logits, answers).cpu()))
    probability, argument, answer = (torch.stack(part) for part in zip(*found, strict=True))
    recipe = Recipe.of("sonde.lens.answer_course", {"k": k}, model_hash=model.hash, inputs=[rows, arguments, answers])
    return AnswerCourse(
        list(sites), _strings(model, arguments.tolist()), _strings(model, answers.tolist()), top_tokens, probability, argument, answer, recipe=recipe
    )


def _strings(model: Model, ids: list[int]) -> list[str]:
    return model.tokenizer.strings(ids) if model.tokenizer else [str(i) for i in ids]
