"""`sonde dictionary collect`: activations of a model to disk, so that many dictionaries can learn from them."""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.dictionary.corpus import add_corpus_options, opened_corpus
from sonde.cli.printing import noted, print_json, told


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "collect",
        help="write activations of a model to disk",
        description="Write the activations of a model at some sites into a folder of shards. What was interrupted goes on when asked for again.",
    )
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    action.add_argument(
        "--site", dest="sites", action="append", required=True, metavar="SITE", help="where, such as blocks.1.resid_post; again for several"
    )
    action.add_argument("--folder", required=True, metavar="FOLDER", help="where they are kept: a new folder, or one with the beginning of the same")
    add_corpus_options(action)
    action.add_argument("--rows", type=count, metavar="N", help="stop after so many rows (default: at the end of the text)")
    action.add_argument("--dtype", default="float16", choices=("float16", "bfloat16", "float32"), help="of what is kept (default: %(default)s)")
    action.add_argument("--batch-size", type=count, metavar="N", help="sequences in a forward (default: as many as 4,096 tokens)")
    action.add_argument("--keep-special", action="store_true", help="keep the rows of special tokens and of attention sinks")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the documents and of their order (default: %(default)s)")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run, out=None)


def run(arguments: argparse.Namespace) -> int:
    """Collect, then say what is there."""
    start = time.perf_counter()
    from sonde.dictionaries.store import collect_activations
    from sonde.dictionaries.store.live import SINKS
    from sonde.loading import load
    from sonde.results.document import Document

    model = load(arguments.model)
    skip, sinks = ((), None) if arguments.keep_special else (None, SINKS)
    found = collect_activations(
        model, opened_corpus(arguments, model), arguments.sites, arguments.folder, arguments.rows, arguments.dtype, arguments.batch_size or "auto",
        skip, sinks, show=not arguments.json,
    )  # fmt: skip
    size = sum((found.folder / shard.file).stat().st_size for shard in found.shards)
    parts = {part.site: part.width for part in found.parts}
    if arguments.json:
        print_json(
            arguments, start, model, warnings=list(found.notes), folder=str(found.folder), sites=parts, rows=found.held, shards=len(found.shards),
            bytes=size, complete=found.manifest.complete,
        )  # fmt: skip
    facts = [
        ("model", f"{model.name} ({model.hash[:8]})"),
        ("sites", ", ".join(f"{site} ({width})" for site, width in parts.items())),
        ("rows", f"{found.held:,} of {found.manifest.dtype}"),
        ("shards", f"{len(found.shards)}, {size / 1e6:,.1f} MB"),
        ("text", "read to its end" if found.manifest.complete else "goes on; ask for more rows to add them"),
    ]
    told(arguments, Document(f"Activations in {found.folder}", "", facts, noted(found.notes)))
    return 0
