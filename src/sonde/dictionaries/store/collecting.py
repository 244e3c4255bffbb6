"""Activations of a model to disk, once, so that many dictionaries can learn from them; an interrupted collection goes on where it stopped."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from sonde.access import Model
from sonde.dictionaries.store.live import SINKS, Live
from sonde.dictionaries.store.shards import Shards
from sonde.dictionaries.store.stream import Block
from sonde.dictionaries.store.writer import BYTES, Writer
from sonde.jobs import track
from sonde.results import InputError, shown


def collect_activations(
    model: Model | Mapping[str, Model], text: Any, sites: str | Sequence[str], folder: str | Path, rows: int | None = None, dtype: str = "float16",
    batch_size: int | Literal["auto"] = "auto", skip: Collection[int] | None = None, sinks: float | None = SINKS, shard_bytes: int = BYTES,
    show: bool = True,
) -> Shards:  # fmt: skip
    """Write the activations of a model at some sites into a folder of shards.

    Asked for the same again, it goes on where it was interrupted; asked for more rows, it adds them.

    Arguments:
        model, text, sites, batch_size, skip, sinks: as for `Live`.
        folder: new, empty, or one with the beginning of the same collection.
        rows: stop after so many rows, at the end of a forward; by default after one epoch of the text.
        dtype: in which activations are kept: "float16", "bfloat16" or "float32". What a type can't hold is refused, never made infinite.
        shard_bytes: the size of a shard.
        show: show a progress bar in a terminal.

    Returns:
        The folder as a source.

    Raises:
        InputError: what `Live` refuses; a folder of other activations; activations that are not finite.
        SondeError: a disk that is full; what was written before can be read, and gone on with.

    >>> import sonde, tempfile
    >>> from sonde.specimens.words import documents
    >>> source = collect_activations(sonde.load("specimen:words"), documents(n=20), "blocks.1.resid_post", tempfile.mkdtemp() + "/activations")
    >>> source.held, source.manifest.complete
    (465, True)
    """
    if rows is not None and (not isinstance(rows, int) or rows < 1):
        raise InputError(f"rows={shown(rows)}: give a number of rows, 1 or more, or leave it out")
    live = Live(model, text, sites, batch_size=batch_size, skip=skip, sinks=sinks)
    writer = Writer(folder, live.identity, live.parts, dtype, shard_bytes)
    if not writer.manifest.complete and (rows is None or writer.rows < rows):
        left = None if rows is None else rows - writer.rows
        try:
            for block in track(_until(live, writer, rows), "collecting activations", total=left, shown=show, size=lambda block: len(block.rows)):
                writer.append(block, writer.rows)
        except KeyboardInterrupt:
            writer.commit()
            raise
        if rows is None or writer.rows < rows:
            short = () if rows is None else (f"the text ended after {writer.rows:,} rows; {rows:,} were asked for",)
            writer.finish((*live.notes, *short))
        else:
            writer.commit()
    return Shards(folder)


def _until(live: Live, writer: Writer, rows: int | None) -> Iterator[Block]:
    """The blocks that are still to be written."""
    for block in live.blocks(writer.manifest.place or live.beginning(0)):
        yield block
        if rows is not None and writer.rows >= rows:
            return
