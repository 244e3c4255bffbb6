"""Activations of a model while it reads: one forward serves every site, and ends after the last of them.

A row is one token. Rows of special tokens (the beginning of a sequence, padding) and of attention sinks, whose norm is many times the median, are
left out: few, large and all alike, they would take a dictionary's first directions and most of its loss. How many they were is told.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Model, Run
from sonde.access.sites import is_glob
from sonde.dictionaries.dictionary import Part
from sonde.dictionaries.store.corpus import Corpus, Sequenced, corpus
from sonde.dictionaries.store.inputs import Inputs
from sonde.dictionaries.store.mixing import Mixed
from sonde.dictionaries.store.source import State
from sonde.dictionaries.store.stream import Block, Place, refuse_unfinite
from sonde.dictionaries.store.writer import BYTES, Writer
from sonde.results import InputError, SiteUnavailable, content_hash, shown

SINKS = 10.0
"""Norm of a row, in medians, from which it counts as an attention sink."""
TOKENS = {"cpu": 1_024}
"""Tokens of a forward by device; enough for matrix products to be fast, few enough that what a block computes fits into memory that is used again:
beyond some 32 MB every operation gets fresh pages, which cost more than the operation."""
ELSEWHERE = 65_536


class Live(Mixed):
    """Activations of a model, or of several that read the same tokens, at some sites.

    Arguments:
        model: the model; or several by name, for crosscoders between models: their sites are then called `name/site`.
        text: what is read: a `Corpus`, `Inputs`, or whatever `corpus` takes.
        sites: the sites' names, globs included; their activations stand side by side in a row. Heads stand side by side, too.
        rows: how many rows to give in all, in as many epochs as that takes; by default one epoch.
        batch_size: sequences in a forward.
        skip: ids of tokens whose rows are left out; by default the tokenizer's special ones.
        sinks: leave out rows whose norm is more than so many times the median of the forward's rows; `None` keeps them.
        buffer: rows of the mixing buffer; by default 500,000 or eight batches, whichever is more, halved until it fits into a quarter of the memory.
        seed: of the order of rows; the order of documents is the corpus's.

    Raises:
        InputError: sites that have no rows in common, no text, numbers that are none. UnknownSite, SiteUnavailable: as `Model.run` does.

    >>> import sonde
    >>> from sonde.specimens.words import documents
    >>> source = Live(sonde.load("specimen:words"), documents(n=20), "blocks.1.resid_post", buffer=64)
    >>> next(source.batches(64)).shape
    torch.Size([64, 128])
    """

    def __init__(
        self, model: Model | Mapping[str, Model], text: Any, sites: str | Sequence[str], rows: int | None = None,
        batch_size: int | Literal["auto"] = "auto", skip: Collection[int] | None = None, sinks: float | None = SINKS, buffer: int | None = None,
        seed: int = 0,
    ):  # fmt: skip
        self.models = dict(model) if isinstance(model, Mapping) else {"": model}
        if not self.models or not all(isinstance(one, Model) for one in self.models.values()):
            raise InputError(f"{shown(model)} is no model: give what sonde.load opens, or several of these by name")
        first = next(iter(self.models.values()))
        _refuse_other_words(self.models)
        self.text = text if isinstance(text, Inputs) else corpus(text, first)
        self.sites = {name: _names(one, sites) for name, one in self.models.items()}
        self.batch_size = _batch_size(batch_size, self.text, first.device.type)
        if sinks is not None and (not isinstance(sinks, int | float) or sinks <= 1):
            raise InputError(f"sinks={shown(sinks)}: give a number of medians above 1, or None to keep every row")
        self.sinks = sinks
        known = first.tokenizer.special if first.tokenizer is not None and skip is None else skip or ()
        self.skip = tuple(sorted(known))
        self._writer: Writer | None = None
        self._epochs = 1
        self._read_so_far = self._special = self._sunk = 0
        values = self._activations(self.text.sample)[0]
        parts = [Part(site, value.shape[-1]) for site, value in values.items()]
        super().__init__(parts, rows, buffer, seed, kept=_joined(values).dtype, device=first.device)

    @property
    def model_hash(self) -> str:
        """The hash of the model; of several, one of all."""
        hashes = {name: model.hash for name, model in self.models.items()}
        return hashes[""] if list(hashes) == [""] else content_hash(hashes)

    @property
    def identity(self) -> State:
        """What must be the same for the same rows."""
        return {
            "kind": "live", "models": {name: model.hash for name, model in self.models.items()}, "parts": [[p.site, p.width] for p in self.parts],
            "text": self.text.identity, "skip": list(self.skip), "sinks": self.sinks, "batch_size": self.batch_size,
        }  # fmt: skip

    @property
    def notes(self) -> tuple[str, ...]:
        """How the text is read, and what was left out so far."""
        left = f"of {self._read_so_far:,} rows {self._special:,} of special tokens and {self._sunk:,} of attention sinks were left out"
        again = f"the text was read {self._epochs} times, because {self.rows:,} rows were asked for" if self._epochs > 1 else ""
        return (*self.text.notes, *self._decided, *((left,) if self._read_so_far else ()), *((again,) if again else ()))

    def beginning(self, epoch: int) -> Place:
        """The place where an epoch begins."""
        return self.text.beginning(epoch)

    def blocks(self, place: Place) -> Iterator[Block]:
        """The blocks of one epoch, from a place on: one for each forward."""
        number, sequences = place[1], self.text.sequences(place)
        while group := list(islice(sequences, self.batch_size)):
            block = self._block(group, number)
            refuse_unfinite(block, "the model", "leave this text out, or run the model in float32")
            yield block
            number += len(group)
        if self._writer is not None and not place[0]:
            self._writer.finish(self.notes)

    def tee(self, folder: str | Path, dtype: str = "float16", shard_bytes: int = BYTES) -> "Live":
        """Write the rows of the first epoch to disk while they are read, as `collect_activations` does; gives itself back.

        Arguments:
            folder, dtype, shard_bytes: as for `collect_activations`. To go on after an interruption, give the same folder.
        """
        self._writer = Writer(folder, self.identity, self.parts, dtype, shard_bytes)
        return self

    def passing(self, block: Block, place: Place, first: int) -> None:
        """Write a block of the first epoch, if that was asked for."""
        self._epochs = max(self._epochs, place[0] + 1)
        if self._writer is None:
            return
        if not place[0]:
            self._writer.append(block, first)
        elif not self._writer.manifest.complete:
            folder = self._writer.folder
            raise InputError(f"{folder} lacks the end of the first epoch, which is over: give the folder that was written before, or begin anew")

    def batches(self, size: int) -> Iterator[Float[Tensor, "row width"]]:
        """The batches that are still to come.

        Arguments:
            size: rows in a batch; the last one may have fewer.
        """
        yield from super().batches(size)
        if self._writer is not None:
            self._writer.commit()

    def state_dict(self) -> State:
        """How far the batches have gone; what is written on the way is then safe, too."""
        if self._writer is not None:
            self._writer.commit()
        return super().state_dict()

    def _block(self, group: Sequence[Sequenced], number: int) -> Block:
        """The rows of some sequences; `number` is the first one's."""
        values, text = self._activations([sequence.tokens for sequence in group])
        rows_bpd = _joined(values)
        kept_bp = torch.ones(rows_bpd.shape[:2], dtype=torch.bool, device=rows_bpd.device)
        if text is not None:
            ids, mask = text
            special = torch.isin(ids, torch.tensor(self.skip, dtype=ids.dtype, device=ids.device)) & mask
            self._read_so_far, self._special = self._read_so_far + int(mask.sum()), self._special + int(special.sum())
            kept_bp = (mask & ~special).to(rows_bpd.device)
        rows, where = rows_bpd[kept_bp], kept_bp.nonzero()
        if self.sinks is not None and len(rows):
            sunk = _sinks(rows, [part.width for part in self.parts], self.sinks)
            if bool(sunk.any()):
                self._sunk += int(sunk.sum())
                rows, where = rows[~sunk], where[~sunk]
        sequence, position = where.cpu().unbind(1)
        tokens = None if text is None else text[0].cpu()[sequence, position]
        return Block(rows, group[-1].after, tokens, sequence + number, position)

    def _activations(self, given: Sequence[Any]) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor] | None]:
        """Each part's values, batch place width; and where the rows are tokens, their ids and their mask, batch place."""
        inputs: Any = torch.stack(list(given)) if isinstance(self.text, Inputs) else given
        values = {}
        for name, model in self.models.items():
            run = model.run(inputs, read=self.sites[name], logits=False)
            for site in self.sites[name]:
                values[f"{name}/{site}" if name else site] = _by_place(run, site)
        shapes = {value.shape[:2] for value in values.values()}
        if len(shapes) > 1:
            told = ", ".join(f"{site} {tuple(value.shape[:2])}" for site, value in values.items())
            raise SiteUnavailable(f"these sites have no rows in common (batch, place): {told}; read those of one kind")
        ids, mask = run.inputs.ids, run.inputs.mask
        return values, (ids, mask) if ids is not None and mask is not None and mask.shape == next(iter(shapes)) else None


def _refuse_other_words(models: Mapping[str, Model]) -> None:
    """Refuse models that would read other tokens in the same ids."""
    known = {name: model.tokenizer.backend.get_vocab() for name, model in models.items() if model.tokenizer is not None}
    first = next(iter(known), "")
    others = [name for name in known if known[name] != known[first]]
    if others:
        raise InputError(f"{others[0]!r} has another vocabulary than {first!r}: ids would mean other tokens to it; give models with one tokenizer")


def _names(model: Model, sites: str | Sequence[str]) -> list[str]:
    """The names of the sites that are meant, in the order in which they were named; a glob's in the model's."""
    wanted = [sites] if isinstance(sites, str) else list(sites)
    if not wanted:
        raise InputError("sites=[]: name at least one site")
    named = [name for site in wanted for name in ([str(one) for one in model.sites(site)] if is_glob(site) else [site])]
    return list(dict.fromkeys(named))


def _batch_size(wanted: int | str, text: Corpus | Inputs, device: str) -> int:
    """Sequences in a forward."""
    if wanted == "auto":
        return max(1, TOKENS.get(device, ELSEWHERE) // (text.length if isinstance(text, Corpus) else 64))
    if not isinstance(wanted, int) or wanted < 1:
        raise InputError(f"batch_size={shown(wanted)}: give a number of sequences, 1 or more, or 'auto'")
    return wanted


def _by_place(run: Run, site: str) -> Float[Tensor, "batch place width"]:
    """A site's value with one place for each token, each point of a map, or for the whole example."""
    value, axes = run[site].detach(), run.axes(site)
    if axes[:1] != ("batch",) or {"query", "key"} & set(axes) or not value.is_floating_point():
        raise SiteUnavailable(
            f"{site!r} has the axes {' '.join(axes) or 'none that are known'} ({value.dtype}): rows of activations need batch first, then places"
        )
    if "channel" in axes:
        return value.movedim(axes.index("channel"), -1).flatten(1, -2) if value.ndim > 2 else value.unsqueeze(1)
    return value.flatten(2) if axes[1:2] == ("pos",) else value.flatten(1).unsqueeze(1)


def _joined(values: Mapping[str, Tensor]) -> Tensor:
    """The parts side by side, where they are more than one."""
    parts = list(values.values())
    return parts[0] if len(parts) == 1 else torch.cat([part.to(parts[0].device) for part in parts], dim=-1)


def _sinks(rows: Float[Tensor, "row width"], widths: Sequence[int], medians: float) -> Bool[Tensor, " row"]:
    """Rows that are an attention sink at some site."""
    found = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    for part in rows.split(list(widths), dim=1):
        norms = torch.linalg.vector_norm(part, dim=1, dtype=torch.float32)
        usual = norms.median()  # 0 where most rows are 0, as behind a ReLU: then the others are no sinks
        found |= (norms > medians * usual) & (usual > 0) & norms.isfinite()  # what is infinite is refused, not left out
    return found
