"""Inputs, run once, with a metric and the site where they are changed; and the metric and its gradient at other values of that site."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access.edits import Edit, Set
from sonde.access.engine.passes import checked
from sonde.access.forward import Metric, logits_for
from sonde.access.images import IMAGES
from sonde.access.inputs import Given
from sonde.access.model import Edits, Model
from sonde.access.run import Run
from sonde.results import InputError, SiteUnavailable, shown

TOKENS_PER_PASS = 4096  # more makes a pass of a small model no faster
ENTRIES_PER_PASS = 2**20  # of inputs that are no tokens: a convolutional net makes some hundred bytes of each

BatchSize = int | Literal["auto"]

VECTORS = ("d_model", "d_head")
"""Axes along which a value is a vector: its coordinates mean nothing one by one."""


@dataclass(frozen=True, eq=False)
class Question:
    """Inputs of a model, the metric to explain, and the site at which they are looked at.

    Arguments:
        model: the model.
        of: from a run of these inputs to one number per example.
        given: the inputs: token ids of each example, or what the model takes.
        site: the name of the site.
        run: the unedited run, which has read the site.
    """

    model: Model
    of: Metric
    given: Any
    site: str
    run: Run

    @staticmethod
    def ask(model: Model, inputs: Given, of: Metric | None, at: str | None = None, bos: bool | None = None) -> "Question":
        """Run inputs and read the site.

        Arguments:
            model: the model.
            inputs: as `Model.run` takes them.
            of: the metric.
            at: the site; by default that of the inputs: `embed`, an image encoder's pixels, another module's first argument.
            bos: as for `Model.run`.

        Raises:
            InputError: no metric, or inputs that don't fit the model. SiteUnavailable: a site that holds no numbers with gradients.
        """
        if of is None:
            raise InputError("say what is to be explained: give a task, or a metric such as of=sonde.tasks.LogitDifference(target, foil)")
        site = at or input_site(model)
        return Question.of_run(model, inputs, of, site, model.run(inputs, read=[site], logits=logits_for(of), bos=bos))

    @staticmethod
    def of_run(model: Model, inputs: Given, of: Metric, site: str, run: Run) -> "Question":
        """The question that a run of the inputs has looked at already.

        Arguments:
            model, inputs, of: as for `ask`.
            site: the site.
            run: the run, which has read the site.

        Raises:
            SiteUnavailable: a site that holds no numbers with gradients.
        """
        if not run[site].is_floating_point():
            raise SiteUnavailable(f"{site!r} holds {run[site].dtype}: name a site of floating-point numbers with at=, such as the embedding's ':out'")
        if run.mask is None or model.architecture.towers:
            return Question(model, of, inputs, site, run)
        return Question(model, of, [ids[real].tolist() for ids, real in zip(run.ids, run.mask, strict=True)], site, run)

    def __len__(self) -> int:
        return self.run.inputs.batch

    @property
    def value(self) -> Float[Tensor, "example *axis"]:
        """The site's value in the inputs as they are."""
        return self.run[self.site]

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the site's axes after the batch."""
        return self.run.axes(self.site)[1:]

    @property
    def of_vectors(self) -> bool:
        """Whether the last axis of the site holds the coordinates of a vector."""
        last = self.axes[-1]
        return last in VECTORS or (last == "unit" and self.axes[:1] == ("pos",))

    @property
    def cells(self) -> tuple[str, ...]:
        """The axes along which parts can be removed: positions; rows and columns of a picture, whose channels go together; features."""
        axes = self.axes[:-1] if self.of_vectors else self.axes
        return tuple(axis for axis in axes if axis != "channel" or len(axes) == 1)

    def along_cells(self, present: Bool[Tensor, "row *cell"]) -> Bool[Tensor, "row *axis"]:
        """What is given for cells, shaped so that it broadcasts to values of the site."""
        kept = [slice(None) if axis in self.cells else None for axis in self.axes]
        return present[slice(None), *kept]

    @property
    def mask(self) -> Bool[Tensor, "example pos"] | None:
        """True at real tokens, where the site's second axis is that of the tokens; else `None`."""
        return self.run.mask if self.axes[:1] == ("pos",) and self.model.locate(self.site).of_tokens else None

    @property
    def metric(self) -> Float[Tensor, " example"]:
        """The metric without any change."""
        return self.of(self.run).detach()

    @property
    def selective(self) -> bool:
        """Whether the metric can be asked of some of the examples, and of one several times; a plain callable knows its own examples in order."""
        return hasattr(self.of, "select") and (isinstance(self.given, Tensor | list | tuple) or self._pictures is not None)

    @property
    def _pictures(self) -> str | None:
        """The name under which the inputs hold pictures as a tensor: then the examples are the pictures, and the texts serve them all."""
        named = self.given if isinstance(self.given, Mapping) else {}
        return next((name for name in IMAGES if isinstance(named.get(name), Tensor)), None)

    def metric_at(
        self, values: Float[Tensor, "row *axis"], examples: Sequence[int], batch_size: BatchSize = "auto", edits: Edits = ()
    ) -> Float[Tensor, " row"]:  # fmt: skip
        """The metric with the site's value replaced.

        Arguments:
            values: a value of the site for each row.
            examples: the example that each row belongs to.
            batch_size: rows per pass.
            edits: made in every row, before the site is written.
        """

        def asked(inputs: Any, of: Metric, written: Edit) -> Tensor:
            return of(self.model.run(inputs, edits=[*_several(edits), written], logits=logits_for(of))).detach()

        return self._passes(values, examples, batch_size, asked, values.new_zeros(len(values)))

    def gradient_at(
        self, values: Float[Tensor, "row *axis"], examples: Sequence[int], batch_size: BatchSize = "auto", edits: Edits = ()
    ) -> Float[Tensor, "row *axis"]:  # fmt: skip
        """The gradient of the metric with respect to the site's value, where that is replaced.

        Arguments:
            values: a value of the site for each row.
            examples: the example that each row belongs to.
            batch_size: rows per pass.
            edits: made in every row, such as backward rules.
        """

        def asked(inputs: Any, of: Metric, written: Edit) -> Tensor:
            return self.model.grad(inputs, of=of, at=self.site, edits=[written, *_several(edits)])[self.site]

        return self._passes(values, examples, batch_size, asked, torch.zeros_like(values))

    def rows(self, examples: Sequence[int]) -> Any:
        """The inputs of some examples, in this order, as `Model.run` takes them."""
        if isinstance(self.given, Tensor):
            return self.given[list(examples)]
        if isinstance(self.given, tuple):
            return tuple(part[list(examples)] for part in self.given)
        if self._pictures is not None:
            return {**self.given, self._pictures: self.given[self._pictures][list(examples)]}
        if not isinstance(self.given, list):
            raise InputError(f"examples can't be picked from inputs given as {shown(self.given)}: give a list of rows, or a tensor")
        return [self.given[i] for i in examples]

    def of_some(self, examples: Sequence[int]) -> Metric:
        """The metric for the inputs that `rows` gives; for all of them where it can't be asked of some."""
        return self.of.select(list(examples)) if self.selective else self.of  # type: ignore[attr-defined]

    def _passes(
        self, values: Tensor, examples: Sequence[int], batch_size: BatchSize, asked: Callable[[Any, Metric, Edit], Tensor], out: Tensor
    ) -> Tensor:  # fmt: skip
        for chosen, written, places in self._batches(values, list(examples), batch_size):
            width = written.shape[1] if self.mask is not None else None
            result = asked(self.rows(chosen) if self.selective else self.given, self.of_some(chosen), Set(self.site, written))
            kept = torch.tensor([i >= 0 for i in places])
            where = torch.tensor([i for i in places if i >= 0])
            if out.ndim > 1 and width is not None:
                out[where, :width] = result[kept].to(out)
            else:
                out[where] = result[kept].to(out)
        return out

    def _batches(self, values: Tensor, examples: list[int], batch_size: BatchSize) -> Iterator[tuple[list[int], Tensor, list[int]]]:
        """Examples, the values to write in them, and the row of the result that each belongs to; -1 for rows that only fill a batch."""
        checked(batch_size)
        if len(values) != len(examples):
            raise InputError(f"{len(values)} values for {len(examples)} rows: give one for each")
        if not self.selective:  # one batch holds every example once, in order; those that are not asked keep their value
            left = {i: [row for row, example in enumerate(examples) if example == i] for i in range(len(self))}
            while any(left.values()):
                places = [left[i].pop() if left[i] else -1 for i in range(len(self))]
                written = torch.stack([self.value[i] if place < 0 else values[place] for i, place in enumerate(places)])
                yield list(range(len(self))), written, places
            return
        size = self.rows_per_pass if batch_size == "auto" else batch_size
        for start in range(0, len(examples), size):
            chosen, written = examples[start : start + size], values[start : start + size]
            if self.mask is not None:
                written = written[:, : int(self.mask[chosen].any(0).sum())]  # shorter examples by themselves need less padding
            yield chosen, written, list(range(start, start + len(chosen)))

    @property
    def rows_per_pass(self) -> int:
        """How many rows go through the model together, where nobody says otherwise."""
        if self.mask is not None:
            return max(1, TOKENS_PER_PASS // self.value.shape[1])
        return max(1, ENTRIES_PER_PASS // max(1, self.value[0].numel()))


def input_site(model: Model) -> str:
    """The site at which a model's input enters: `embed`, an image encoder's pixels, another module's first argument.

    Arguments:
        model: the model; in one of two towers the images.

    >>> import sonde
    >>> input_site(sonde.load("specimen:words")), input_site(sonde.load("specimen:digits")), input_site(sonde.load("specimen:pair"))
    ('embed', ':in', 'vision_model.embeddings.patch_embedding:in')
    """
    if model.architecture.images is not None:
        pixels = next((spec for name, spec in model.architecture.sites.items() if name.endswith("embed")), None)
        towers = [tower for tower in model.architecture.towers if tower.images is not None]
        pixels = towers[0].sites["vision.embed"] if towers and "vision.embed" in towers[0].sites else pixels
        return f"{pixels.point.module}:in" if pixels is not None else ":in"
    return "embed" if "embed" in model.architecture.sites else ":in"


def _several(edits: Edits) -> Sequence[Any]:
    return [edits] if not isinstance(edits, Sequence) else edits
