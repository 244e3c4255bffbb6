"""What is asked about a query: its loss, any function of the module and a batch, any sonde metric of a run, or a component's own output.

A site's value can be asked about by itself, so that the question becomes: which training data made this head, this neuron or this feature? Then only
the weights below the site have a part in the answer. The weights that a metric uses by itself, and not by calling their module (a head's result is z
times its own rows of the output projection, formed apart), would be missing from it without a word; so every metric is proved on a query first.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from sonde.access import Model, Run
from sonde.access.forward import differentiable
from sonde.access.inputs import Inputs
from sonde.access.sites import Site
from sonde.influence.coverage import proved
from sonde.influence.examples import Examples
from sonde.influence.losses import Loss, name_of
from sonde.influence.rows import TokenBatch
from sonde.influence.subject import Subject, of_queries
from sonde.results import InputError, shown


@dataclass(frozen=True, eq=False)
class Along:
    """The value of a component along a direction.

    Arguments:
        site: where, with the position and head that are meant: "blocks.3.attn.z[head=6, pos=-1]", "blocks.2.mlp.post[pos=-1]", or a feature's site
            of a basis that was attached.
        along: a direction of as many entries as are left, or the number of one of them.
    """

    site: str
    along: Tensor | int

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        """The value of each row."""
        value = run[self.site]
        if value.ndim != 2:
            more = f"the axes {' '.join(run.axes(self.site)[1:-1])}" if value.ndim > 2 else "no axis"
            raise InputError(f"{self.site!r} has {more} beside the batch and its entries: select one place, as [head=0, pos=-1]")
        if isinstance(self.along, int):
            if not 0 <= self.along < value.shape[1]:
                raise InputError(f"{self.site!r} has {value.shape[1]} entries (0 to {value.shape[1] - 1}), and entry {self.along} was asked for")
            return value[:, self.along]
        if self.along.shape != value.shape[1:]:
            raise InputError(f"a direction of {tuple(self.along.shape)} for the {value.shape[1]} entries of {self.site!r}: give one number for each")
        return value @ self.along.to(value)

    def __repr__(self) -> str:
        return f"{self.site} " + (f"entry {self.along}" if isinstance(self.along, int) else "along a direction")


@dataclass(frozen=True, eq=False)
class OfRun:
    """A metric of a run, as a metric of a module and a batch.

    Arguments:
        model: that is run.
        metric: from a run to one number per row.
        read: sites that it reads.
    """

    model: Model
    metric: Callable[[Run], Tensor]
    read: tuple[Site, ...] = ()

    def select(self, indices: Sequence[int]) -> "OfRun":
        """The metric of some queries.

        Arguments:
            indices: which.
        """
        select = getattr(self.metric, "select", None)
        return self if select is None else OfRun(self.model, select(list(indices)), self.read)

    def __call__(self, module: nn.Module, batch: Any) -> Float[Tensor, " example"]:
        """The metric's values, with their graph."""
        # whoever watches the weights has frozen them, but for those that a proof leaves on
        return differentiable(self.model, self._inputs(batch), (), self.metric, self.read, freeze=False)

    def _inputs(self, batch: Any) -> Inputs:
        if isinstance(batch, TokenBatch):
            return self.model.prepare([row[real].tolist() for row, real in zip(batch.ids, batch.real, strict=True)])
        return self.model.prepare(batch[0] if isinstance(batch, list | tuple) else batch)

    def __repr__(self) -> str:
        return name_of(self.metric)


def metric_of(model: Model, of: Any) -> Loss | None:
    """What is meant: `None` for the loss.

    Arguments:
        model: that is asked.
        of: a function `(module, batch)`, a metric of a run, or a site with a direction or a number.

    Raises:
        InputError: anything else; a site that the model does not have.
    """
    if of is None or isinstance(of, OfRun):
        return of
    if isinstance(of, tuple) and len(of) == 2 and isinstance(of[0], str) and (isinstance(of[1], Tensor) or type(of[1]) is int):
        of = Along(*of)
    if not callable(of):
        raise InputError(
            f"of={shown(of)}: give a function (module, batch), a metric of a run such as LogitDifference, or (site, direction or number of an entry)"
        )
    if isinstance(of, Along):
        site = Site.parse(of.site)
        model.locate(site.name)  # raises for a site that there is not
        return OfRun(model, of, (site,))
    return OfRun(model, of) if _arguments(of) == 1 else of


def refuse_unseen(subject: Subject, queries: Examples, of: Loss | None) -> None:
    """Raise where a metric's gradients are not all told by the modules' calls.

    Arguments:
        subject: the model with its training examples.
        queries: that are asked about.
        of: the metric; `None` for the loss, which was proved.
    """
    if of is None:
        return
    missing: dict[str, str] = {}
    first = range(min(2, len(queries)))
    proved(subject.model, queries, of_queries(of, first), {block.name: list(block.paths) for block in subject.blocks}, missing)
    for name, reason in missing.items():
        if "never called" not in reason:
            raise InputError(
                f"{name_of(of)} uses the weights of {name!r} otherwise than by calling it, so their part would be missing: ask about another site"
            )


def _arguments(of: Callable[..., Any]) -> int:
    """How many arguments a metric takes."""
    try:
        asked = inspect.signature(of).parameters.values()
    except (TypeError, ValueError):
        return 2
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in asked)
