"""The metric at many values of a site, without computing again what a causal model has already seen.

What stands left of the first change is the same in every row, and so are the keys and values there. A change of the embeddings is followed to the
entrance of the first block, token by token; from there a sweep computes the columns that differ, and in the last block only the one that is read.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access.edits import Set
from sonde.access.removal.question import BatchSize, Question
from sonde.access.sites import Site

ENTRANCE = "blocks.0.resid_pre"
WORTH = 0.15  # share of the columns that must be spared: stacking rows one by one costs something too
AGREES = "embeddings followed to the first block"  # in `Model.verified`


class Prefix:
    """Asks a question at other values of its site, from where they differ on if that can be.

    Arguments:
        question: the inputs.
    """

    def __init__(self, question: Question):
        arch = question.model.architecture
        known = question.site == "embed" and question.mask is not None and ENTRANCE in arch.sites
        self.question = question
        self._able = known and question.selective and arch.causal and bool(arch.unembed) and not arch.rows_meet

    def metric_at(self, values: Float[Tensor, "row *axis"], examples: Sequence[int], batch_size: BatchSize = "auto") -> Float[Tensor, " row"]:
        """The metric with the site's value replaced; as `Question.metric_at`.

        Arguments:
            values: a value of the site for each row.
            examples: the example that each row belongs to.
            batch_size: rows per pass.
        """
        starts = self._starts(values, examples) if self._able else []
        if sum(starts) <= WORTH * values.shape[1] * len(starts):
            return self.question.metric_at(values, examples, batch_size)
        out = values.new_zeros(len(values))
        for example in dict.fromkeys(examples):
            where = [i for i, other in enumerate(examples) if other == example]
            out[where] = self._swept(values[where], example, [starts[i] for i in where], batch_size).to(out)
        if AGREES not in self.question.model.verified:
            longest = max(range(len(values)), key=lambda i: starts[i])
            plain = self.question.metric_at(values[longest : longest + 1], [examples[longest]])
            if not torch.allclose(plain, out[longest : longest + 1], rtol=1e-4, atol=1e-4):  # the embeddings go elsewhere too
                self._able = False
                return self.question.metric_at(values, examples, batch_size)
            self.question.model.verified.add(AGREES)
        return out

    def _starts(self, values: Float[Tensor, "row pos d_model"], examples: Sequence[int]) -> list[int]:
        """The first token of each row that is another one; the number of columns where there is none."""
        mask = self.question.mask
        assert mask is not None
        owners = torch.tensor(list(examples), device=values.device)
        differs = (values != self.question.value[owners]).any(-1) & mask[owners]
        columns = torch.arange(values.shape[1], device=values.device)
        first = torch.where(differs, columns, values.shape[1]).amin(-1) - mask.int().argmax(-1)[owners]
        return first.tolist()

    def _swept(self, values: Float[Tensor, "row pos d_model"], example: int, starts: list[int], batch_size: BatchSize) -> Float[Tensor, " row"]:
        question, model = self.question, self.question.model
        assert question.mask is not None
        given, of = question.rows([example]), question.of_some([example])
        own = values[:, question.mask[example]]
        starts = [min(start, own.shape[1] - 1) for start in starts]
        entering = model.run(given * len(own), read=ENTRANCE, edits=Set("embed", own), logits=False)[ENTRANCE]
        edits = [Set(Site(ENTRANCE).at(pos=slice(start, None)), row[start:]) for start, row in zip(starts, entering, strict=True)]
        return model.sweep(given, edits, of, batch_size).values[:, 0]
