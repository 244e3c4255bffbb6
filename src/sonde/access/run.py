"""What a forward leaves behind: the sites that were read, the logits, and what was decided on the way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access.inputs import Inputs
from sonde.access.selection import Rows, resolve, take
from sonde.access.sites import Site, nearest
from sonde.access.tape import Held
from sonde.results import UnknownSite


class Readings(Mapping[str, Tensor]):
    """Tensors by site: `readings["blocks.3.attn.pattern"]`, also with a selection of what was read whole."""

    def __init__(self, held: Mapping[Site, Held], rows: Rows | None):
        self._held, self._rows = held, rows

    @property
    def sites(self) -> list[str]:
        """The names of what was read."""
        return [str(site) for site in self._held]

    def axes(self, site: str | Site) -> tuple[str, ...]:
        """The axes of a site that was read whole, in order."""
        return self._find(Site.parse(site).whole())[1].axes

    def __getitem__(self, site: str | Site) -> Tensor:
        wanted = Site.parse(site)
        found, held = self._find(wanted)
        if found.select:  # stored with exactly this selection
            return held.value
        if held.weight is not None:
            return _head_results(held, wanted, self._rows)
        return take(held.value, resolve(wanted, held.axes, held.value.shape, self._rows))

    def _find(self, wanted: Site) -> tuple[Site, Held]:
        for site in (wanted, wanted.whole()):
            if site in self._held:
                return site, self._held[site]
        raise UnknownSite(f"{str(wanted)!r} was not read in this run; it holds {nearest(wanted.name, self.sites)}: name it in read=")

    def __iter__(self) -> Iterator[str]:
        return iter(self.sites)

    def __len__(self) -> int:
        return len(self._held)

    def _repr_lines(self) -> list[str]:
        lines = []
        for site, held in list(self._held.items())[:12]:
            shape = " x ".join(map(str, held.value.shape))
            lines.append(f"  {site}: {shape} ({' '.join(held.axes)})")
        return lines + ([f"  ... {len(self) - 12} more"] if len(self) > 12 else [])


class Run(Readings):
    """One forward of the model.

    Arguments:
        logits: the model's output: batch pos vocab, or batch 1 vocab at each row's last real token, or `None` where it was not asked for.
        inputs: the batch that was run.
        tokens: the text of each row's tokens, padding left out; empty without a tokenizer.
        kernel: the attention kernel that was used.
        notes: what was decided: special tokens, padding, kernel.
    """

    def __init__(
        self,
        held: Mapping[Site, Held],
        logits: Tensor | None,
        inputs: Inputs,
        tokens: list[list[str]],
        kernel: str,
        notes: tuple[str, ...],
        last: bool = False,
    ):
        super().__init__(held, inputs.rows)
        self._logits, self.inputs, self.tokens, self.kernel, self.notes, self._last = logits, inputs, tokens, kernel, notes, last

    @property
    def logits(self) -> Tensor:
        """Batch pos vocab; with `logits="last"` batch 1 vocab; for other modules whatever they return."""
        if self._logits is None:
            raise UnknownSite("this run kept no logits: ask for logits=True or logits='last'")
        return self._logits

    @property
    def last_logits(self) -> Float[Tensor, "batch vocab"]:
        """The logits at each row's last real token."""
        if self._last or self.mask is None:
            return self.logits[:, -1] if self.logits.ndim == 3 else self.logits
        last = self.mask.shape[1] - 1 - self.mask.flip(1).int().argmax(1)
        return self.logits[torch.arange(len(last), device=last.device), last]

    @property
    def ids(self) -> Int[Tensor, "batch pos"]:
        if self.inputs.ids is None:
            raise UnknownSite("the inputs of this run are no token sequences")
        return self.inputs.ids

    @property
    def mask(self) -> Bool[Tensor, "batch pos"] | None:
        """True at real tokens."""
        return self.inputs.mask

    def __repr__(self) -> str:
        logits = "none" if self._logits is None else " x ".join(map(str, self._logits.shape))
        return "\n".join(
            [f"Run of {self.inputs.batch} rows, logits {logits}, {len(self)} sites read", *self._repr_lines(), *(f"  note: {n}" for n in self.notes)]
        )


class Gradients(Readings):
    """Gradients of a metric, by site; each has the shape of the site's value.

    Arguments:
        metric: the metric's value for each example.
        values: the sites' values, which some methods multiply with.
    """

    def __init__(self, held: Mapping[Site, Held], values: "Readings", metric: Float[Tensor, " batch"], run: Run):
        super().__init__(held, run.inputs.rows)
        self.values, self.metric, self.tokens, self.notes = values, metric, run.tokens, run.notes  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "\n".join([f"Gradients of a metric on {len(self.metric)} examples, {len(self)} sites", *self._repr_lines()])


@dataclass(frozen=True, eq=False)
class Sweep:
    """A metric under many edits, one at a time.

    Arguments:
        values: the metric under each edit, for each example.
        base: the metric without any edit, for each example.
        edits: a description of each edit, in order.
        plan: how it was computed.
    """

    values: Float[Tensor, "edit example"]
    base: Float[Tensor, " example"]
    edits: tuple[str, ...]
    plan: "Plan"

    def __repr__(self) -> str:
        return f"Sweep of {len(self.edits)} edits on {len(self.base)} examples\n{self.plan}"


@dataclass(frozen=True)
class Plan:
    """How a sweep is computed.

    Arguments:
        cells: the number of edits.
        replayed: how many enter at a block and skip everything below it.
        plain: how many need a whole forward.
        passes: the number of batches that are run.
        block_rows: how many rows pass through how many blocks in all: the work, in rows x blocks.
        naive_block_rows: the same for one whole forward per edit.
    """

    cells: int
    replayed: int
    plain: int
    passes: int
    block_rows: int
    naive_block_rows: int

    def __str__(self) -> str:
        return (
            f"{self.cells} cells: {self.replayed} enter at their block, {self.plain} need a whole forward; "
            f"{self.passes} passes, {self.block_rows} rows x blocks instead of {self.naive_block_rows}"
        )


def _head_results(held: Held, wanted: Site, rows: Rows | None) -> Tensor:
    """What heads add to the residual stream, only for the heads that are wanted: z_h W_O[h]."""
    z_bphe, weight_hed = held.value, held.weight
    assert weight_hed is not None
    chosen: dict[str, Any] = dict(wanted.select)
    heads = chosen.get("head", slice(None))
    kept = [heads] if isinstance(heads, int) else list(heads) if isinstance(heads, tuple) else heads
    resolve(
        Site(wanted.name, tuple((a, i) for a, i in wanted.select if a == "head")), held.axes[:3], z_bphe.shape[:3], rows
    )  # refuses heads out of range
    result_bphd = torch.einsum("bphe,hed->bphd", z_bphe[:, :, kept], weight_hed[kept])
    rest = Site(wanted.name, tuple((a, 0 if a == "head" else i) for a, i in wanted.select if a != "head" or isinstance(heads, int)))
    return take(result_bphd, resolve(rest, held.axes, result_bphd.shape, rows))
