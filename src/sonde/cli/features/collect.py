"""`sonde features collect`: one pass over a text that finds where every feature is active, kept as a database."""

import argparse
import time
from typing import Any

from sonde.cli.dictionary.corpus import add_corpus_options, opened_corpus
from sonde.cli.features.shared import add_model_options, opened_basis
from sonde.cli.printing import noted, print_json, told


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "collect",
        help="find where every feature is active, and keep it",
        description="Run a model once over a text and keep where every feature is active, with its statistics, as a database. What was interrupted "
        "goes on when asked for again.",
    )
    action.add_argument("folder", metavar="FOLDER", help="where the database is kept: a new folder")
    action.add_argument(
        "--site", dest="sites", action="append", required=True, metavar="SITE",
        help="what is read, such as blocks.1.resid_post; again for several side by side",
    )  # fmt: skip
    add_model_options(action)
    add_corpus_options(action)
    action.add_argument("--neurons", metavar="SITE", help="neurons to correlate features with (default: the entries of the site)")
    action.add_argument("--writes", metavar="SITE", help="where the features write, if elsewhere than they read")
    action.add_argument("--keep", type=int, metavar="N", help="the most codes to keep; of more, examples are kept (default: 50,000,000)")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the documents and of draws (default: %(default)s)")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run, out=None)


def run(arguments: argparse.Namespace) -> int:
    """Collect, then say what is there."""
    start = time.perf_counter()
    from sonde.features import collect
    from sonde.features.collecting.collect import KEEP
    from sonde.loading import load
    from sonde.results.document import Document

    model = load(arguments.model)
    basis = opened_basis(arguments, model, arguments.sites[0])
    found = collect(
        model, arguments.sites, basis, opened_corpus(arguments, model), arguments.folder, neurons=arguments.neurons, writes=arguments.writes,
        keep=KEEP if arguments.keep is None else arguments.keep, seed=arguments.seed,
    )  # fmt: skip
    about, size = found.about(), sum(file.stat().st_size for file in found.folder.iterdir())
    dead = found.count(["firings = 0"])
    if arguments.json:
        print_json(
            arguments, start, model, warnings=list(found.notes), folder=str(found.folder), about=about, silent=dead, kept=found.kept, bytes=size
        )
    facts = [
        ("model", f"{model.name} ({model.hash[:8]})"),
        ("features", f"{about['size']:,} of {about['basis']} at {about['site']}, {dead:,} of them silent"),
        ("text", f"{about['tokens']:,} tokens in {about['sequences']:,} sequences; not counted: {about['left_out'] or 'none'}"),
        ("kept", f"{found.kept} codes, {size / 1e6:,.1f} MB, {size / about['size'] / 1000:,.1f} kB for each feature"),
    ]
    told(arguments, Document(f"Features in {found.folder}", "", facts, noted(found.notes)))
    return 0
