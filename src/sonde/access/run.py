"""What a forward leaves behind: the sites that were read, the logits, and what was decided on the way."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access.inputs import Inputs
from sonde.access.selection import Rows, resolve, take
from sonde.access.sites import Site, nearest
from sonde.access.tape import Held
from sonde.results import InputError, SiteUnavailable, UnknownSite


class Readings:
    """Tensors by site: `readings["blocks.3.attn.pattern"]`, also with a selection of what was read whole.

    Iterating gives the sites' names, as in a mapping.
    """

    def __init__(self, held: Mapping[Site, Held], rows: Rows | None):
        self._held, self._rows = held, rows

    @property
    def sites(self) -> list[str]:
        """The names of what was read."""
        return [str(site) for site in self._held]

    def axes(self, site: str | Site) -> tuple[str, ...]:
        """The names of the axes of what `readings[site]` gives, in order."""
        wanted = Site.parse(site)
        dropped = {axis for axis, index in wanted.select if isinstance(index, int | str)}
        return tuple(axis for axis in self._find(wanted)[1].axes if axis not in dropped)

    def keys(self) -> list[str]:
        """The names of what was read, so that `dict(run)` works."""
        return self.sites

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """Each site's name with its value."""
        return ((site, self[site]) for site in self)

    def __getitem__(self, site: str | Site) -> Tensor:
        wanted = Site.parse(site)
        found, held = self._find(wanted)
        if held.overwritten:
            raise SiteUnavailable(f"{str(found)!r} was changed in place since it was read (by you, or by training); run again, or read a clone")
        if found.select:  # stored with exactly this selection
            return held.value
        rows = self._rows if held.of_tokens else None
        if held.weight is not None:
            return _head_results(held, wanted, rows)
        return take(held.value, resolve(wanted, held.axes, held.value.shape, rows))

    def _find(self, wanted: Site) -> tuple[Site, Held]:
        for site in (wanted, wanted.whole()):
            if site in self._held:
                return site, self._held[site]
        close = nearest(wanted.name, self.sites) if self._held else "none is similar"
        held = "" if close == "none is similar" else f"; it holds {close}"
        raise UnknownSite(f"{str(wanted)!r} was not read in this run{held}: name it in read=")

    def __contains__(self, site: str | Site) -> bool:
        wanted = Site.parse(site)
        return wanted in self._held or wanted.whole() in self._held

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
        kernel: the attention kernel that was used.
        notes: what was decided: special tokens, padding, kernel.
        columns: the column of each row that the logits are of, where they are of one only.
    """

    def __init__(
        self, held: Mapping[Site, Held], logits: "Tensor | Readout | None", inputs: Inputs, kernel: str, notes: tuple[str, ...],
        columns: Sequence[int] | None = None,
    ):  # fmt: skip
        super().__init__(held, inputs.rows)
        self.inputs, self.kernel, self.notes, self.columns = inputs, kernel, notes, columns
        self._logits = logits

    @property
    def tokens(self) -> list[list[str]]:
        """The text of each row's tokens, padding left out; empty without a tokenizer."""
        return [list(row) for row in self.inputs.tokens]

    @property
    def logits(self) -> Tensor:
        """Batch pos vocab; with `logits="last"` batch 1 vocab; for other modules whatever they return."""
        if self._logits is None:
            raise UnknownSite("this run kept no logits: ask for logits=True or logits='last'")
        if isinstance(self._logits, Readout):
            self._logits = self._logits.logits()
        return self._logits

    @property
    def last_logits(self) -> Float[Tensor, "batch vocab"]:
        """The logits at each row's last real token."""
        return self.logits_at(-1)

    def logits_at(self, pos: int) -> Float[Tensor, "batch vocab"]:
        """The logits at one position of each row, counted in its real tokens.

        Arguments:
            pos: the position; a classifier's logits have none, and are given as they are.

        Raises:
            InputError: a row is shorter. UnknownSite: the run kept the logits of another position only.
        """
        columns = self._columns(pos)
        if self.logits.ndim < 3:
            return self.logits
        if self.logits.ndim > 3:
            raise UnknownSite(f"the model's output has {self.logits.ndim} axes, so it has no last position; use run.logits")
        if self.columns is not None:
            return self.logits[:, 0]
        if columns is None:
            return self.logits[:, pos]
        assert self.inputs.rows is not None
        here = torch.tensor(columns, device=self.logits.device) - self.inputs.rows.cached
        return self.logits[torch.arange(len(columns), device=self.logits.device), here]

    def token_logits(self, tokens: Int[Tensor, "#batch"], pos: int = -1) -> Float[Tensor, " batch"]:
        """The logit of one token in each row; where logits are formed on asking, only these are.

        Arguments:
            tokens: token ids, one for each row, or one for all.
            pos: the position, counted in each row's real tokens.

        Raises:
            InputError: another number of tokens than rows; a row that is shorter. UnknownSite: as for `logits_at`.
        """
        if len(tokens) not in (1, self.inputs.batch):
            raise InputError(
                f"the metric has {len(tokens)} target tokens and the run {self.inputs.batch} rows; give one for each row, or one for all"
            )
        if isinstance(self._logits, Readout) and self.columns is not None:
            self._columns(pos)
            wanted, place = tokens.unique(return_inverse=True)
            found, at = self._logits.logits(wanted)[:, 0], place
        else:
            found, at = self.logits_at(pos), tokens
        return found.gather(1, at.to(found.device).expand(len(found))[:, None]).squeeze(1)

    def _columns(self, pos: int) -> Sequence[int] | None:
        """The column that a position is in each row; `None` where there are no rows of tokens."""
        rows = self.inputs.rows
        if rows is None:
            return None
        columns = tuple(rows.columns(row, pos, Site("logits"))[0] for row in range(len(rows.lengths)))
        if self.columns is not None and columns != tuple(self.columns):
            raise UnknownSite(f"this run kept the logits of one position in each row, which is not position {pos}: ask for logits=True")
        return columns

    @property
    def ids(self) -> Int[Tensor, "batch pos"]:
        """The token ids, padded on the right."""
        if self.inputs.ids is None:
            raise UnknownSite("the inputs of this run are no token sequences")
        return self.inputs.ids

    @property
    def mask(self) -> Bool[Tensor, "batch pos"] | None:
        """True at real tokens."""
        return self.inputs.mask

    def detached(self, values: Readings) -> "Run":
        """The same run without its graph, holding other readings.

        Arguments:
            values: what it holds.
        """
        logits = self._logits.detach() if isinstance(self._logits, Tensor) else None
        return Run(values._held, logits, self.inputs, self.kernel, self.notes, self.columns)

    def __repr__(self) -> str:
        logits = "none" if self._logits is None else " x ".join(map(str, self.logits.shape))
        return "\n".join(
            [f"Run of {self.inputs.batch} rows, logits {logits}, {len(self)} sites read", *self._repr_lines(), *(f"  note: {n}" for n in self.notes)]
        )


@dataclass(frozen=True)
class Readout:
    """Logits that are formed when they are asked for.

    Arguments:
        normed: what the unembedding reads, b p d.
        unembed: from there to the logits of some tokens, or of all.
    """

    normed: Tensor
    unembed: Callable[[Tensor, Tensor | None], Tensor]

    def logits(self, tokens: Tensor | None = None) -> Tensor:
        """The logits of some tokens, b p token; of all without them."""
        return self.unembed(self.normed, tokens)


class Gradients(Readings):
    """Gradients of a metric, by site; each has the shape of the site's value.

    Arguments:
        values: the sites' values, which some methods multiply with.
        metric: the metric's value for each example.
        run: the forward that was differentiated.

    `run` holds that forward without its graph, with the values of the sites.
    """

    def __init__(self, held: Mapping[Site, Held], values: Readings, metric: Float[Tensor, " batch"], run: Run):
        super().__init__(held, run.inputs.rows)
        self.values, self.metric, self.tokens, self.notes = values, metric, run.tokens, run.notes
        self.run = run.detached(values)

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
        notes: what was decided: special tokens, padding, kernel.
    """

    values: Float[Tensor, "edit example"]
    base: Float[Tensor, " example"]
    edits: tuple[str, ...]
    plan: "Plan"
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        head = f"Sweep of {len(self.edits)} edits on {len(self.base)} examples"
        return "\n".join([head, str(self.plan), *(f"  note: {note}" for note in self.notes)])


@dataclass(frozen=True)
class Plan:
    """How a sweep is computed, and what it costs.

    Arguments:
        cells: the number of edits.
        skipped: how many can't matter: they write what is there already, or right of what the metric reads.
        replayed: how many enter at a block and skip everything below it.
        plain: how many need a whole forward.
        passes: the number of batches that are run.
        block_tokens: how many tokens pass through how many blocks in all: the work, in tokens x blocks.
        naive_block_tokens: the same for one whole forward per edit.
        operations: floating-point operations of the passes, counted from the sizes of the weights (0 where these are not known); the unedited
            forward comes on top.
        naive_operations: the same for one whole forward with all logits per edit.
        memory: bytes that are held at the fullest moment, besides the model.
    """

    cells: int
    skipped: int
    replayed: int
    plain: int
    passes: int
    block_tokens: int
    naive_block_tokens: int
    operations: int
    naive_operations: int
    memory: int

    def __str__(self) -> str:
        cells = f"{self.cells} cells: {self.skipped} can't matter, {self.replayed} enter at their block, {self.plain} need a whole forward"
        if not self.naive_operations:  # the sizes of other modules are not known
            return f"{cells}; {self.passes} passes"
        less = f", {self.naive_operations / self.operations:.1f} times less" if self.operations else ""
        return (
            f"{cells}\n{self.passes} passes, {self.block_tokens:,} tokens x blocks instead of {self.naive_block_tokens:,}\n"
            f"{self.operations:.2e} operations instead of {self.naive_operations:.2e}{less}; {self.memory / 2**20:.0f} MiB at the fullest"
        )


def _head_results(held: Held, wanted: Site, rows: Rows | None) -> Tensor:
    """What heads add to the residual stream, only for the heads, positions and entries that are wanted: z_h W_O[h]."""
    z_bphe, weight_hed = held.value, held.weight
    assert weight_hed is not None
    whole = torch.Size((*z_bphe.shape[:3], weight_hed.shape[2]))
    _, drop = resolve(wanted, held.axes, whole, rows)  # refuses what is not there
    of_z, _ = resolve(_along(wanted, "batch", "pos", "head"), ("batch", "pos", "head", "d_head"), z_bphe.shape, rows)
    of_weight, _ = resolve(_along(wanted, "head", "d_model"), ("head", "d_head", "d_model"), weight_hed.shape, None)
    return take(torch.einsum("bphe,hed->bphd", z_bphe[of_z], weight_hed[of_weight]), ((), drop))


def _along(site: Site, *axes: str) -> Site:
    """The same place with its selections along these axes only."""
    return Site(site.name, tuple((axis, index) for axis, index in site.select if axis in axes))
