"""`sonde dictionary train`: sparse dictionaries of a model's activations; several sizes, numbers of latents and seeds in one pass."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count
from sonde.cli.dictionary.corpus import add_corpus_options, opened_corpus
from sonde.cli.printing import noted, print_json, told
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.dictionaries import Architecture, Source, Training

NAMES = ("topk", "batchtopk", "matryoshka", "relu", "monosemantic", "gated", "jumprelu")
COUNTING = NAMES[:3]


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "train",
        help="train dictionaries of a model's activations",
        description="Train sparse dictionaries at a site of a model; each -k, --weight, --size and --seed that is given again adds dictionaries, "
        "and all learn from one pass. What was interrupted goes on when asked for again.",
    )
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    action.add_argument("--site", dest="sites", action="append", required=True, metavar="SITE", help="what is read; again for a crosscoder")
    action.add_argument("--writes", metavar="SITE", help="what should be written, where it is another site: a transcoder")
    action.add_argument("--architecture", choices=NAMES, default="topk", help="(default: %(default)s)")
    action.add_argument("-k", type=count, action="append", metavar="N", help="active latents, of architectures that count (default: 32)")
    action.add_argument("--weight", type=float, action="append", metavar="X", help="of the sparsity, of the others (default: the architecture's)")
    action.add_argument("--size", type=count, action="append", metavar="N", help="latents (default: 16 for each entry of an activation)")
    action.add_argument("--seed", type=int, action="append", metavar="N", help="of the directions; the first also of the order (default: 0)")
    action.add_argument("--lr", type=float, metavar="X", help="the largest learning rate (default: 2e-4 / sqrt(size / 16384))")
    action.add_argument("--skip", action="store_true", help="with a linear path beside the latents")
    action.add_argument("--end-to-end", choices=("kl", "ce"), help="judge what is written by the model's predictions, not by its distance")
    action.add_argument("--activations", type=count, default=1_000_000, metavar="N", help="how many to learn from (default: %(default)s)")
    action.add_argument("--batch", type=count, default=4096, metavar="N", help="activations of one update (default: %(default)s)")
    action.add_argument("--buffer", type=count, metavar="N", help="activations that are mixed (default: 500,000, less where memory is short)")
    action.add_argument("--store", metavar="FOLDER", help="learn from what `sonde dictionary collect` wrote there, not from the running model")
    action.add_argument("--folder", required=True, metavar="FOLDER", help="where dictionaries and checkpoints go")
    add_corpus_options(action)
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run, out=None)


def run(arguments: argparse.Namespace) -> int:
    """Train, then say what was learned."""
    start = time.perf_counter()
    from sonde.dictionaries import Job, fit
    from sonde.loading import load
    from sonde.results.document import Document

    seeds = arguments.seed or [0]
    arguments.seed = seeds[0]  # of the documents, too
    model = load(arguments.model)
    source = _source(arguments, model)
    sites = tuple(part.site for part in source.parts if part.site != arguments.writes)
    writes = (arguments.writes,) if arguments.writes else ()
    jobs = [Job(architecture, sites, writes, seed) for architecture in _architectures(arguments) for seed in seeds]
    trained = fit(jobs, source, activations=arguments.activations, batch=arguments.batch, folder=arguments.folder)
    rows = [_row(str(job), result, Path(arguments.folder)) for job, result in zip(jobs, trained, strict=True)]
    if arguments.json:
        print_json(arguments, start, model, warnings=list(source.notes), folder=arguments.folder, trained=rows)
    facts = [("model", f"{model.name} ({model.hash[:8]})"), ("activations", f"{arguments.activations:,} at {', '.join(sites)}")]
    for row in rows:
        course = f"{row['active']:.3g} active, {row['unexplained']:.2%} of the variance unexplained, {row['dead']:.1%} dead"
        facts.append((row["name"], f"{row['size']:,} latents, {course}"))
    subtitle = "figures of the last batch that was looked at; `sonde dictionary evaluate` judges on other text"
    told(arguments, Document(f"Dictionaries in {arguments.folder}", subtitle, facts, noted(source.notes)))
    return 0


def _source(arguments: argparse.Namespace, model: Any) -> "Source":
    from sonde.dictionaries import EndToEnd, Live, Shards

    asked = [*arguments.sites, *([arguments.writes] if arguments.writes else [])]
    if arguments.end_to_end and (arguments.store or arguments.writes or len(asked) > 1):
        raise InputError(f"--end-to-end {arguments.end_to_end} trains one site of the running model: leave out --store and --writes, give one --site")
    if arguments.store:
        return Shards(arguments.store, asked, model, rows=arguments.activations, buffer=arguments.buffer, seed=arguments.seed)
    text = opened_corpus(arguments, model)
    if arguments.end_to_end:
        return EndToEnd(model, text, asked[0], arguments.activations, arguments.end_to_end, seed=arguments.seed)
    return Live(model, text, asked, rows=arguments.activations, buffer=arguments.buffer, seed=arguments.seed)


def _architectures(arguments: argparse.Namespace) -> "list[Architecture]":
    """One for each number (or weight) and size."""
    from dataclasses import replace

    from sonde import dictionaries as d

    kinds = dict(zip(NAMES, (d.TopK, d.BatchTopK, d.Matryoshka, d.ReLU, d.Monosemantic, d.Gated, d.JumpReLU), strict=True))
    plain = kinds[arguments.architecture](lr=arguments.lr, skip=arguments.skip)
    if arguments.writes:
        # what is taken away from the input is not what is added to the output
        plain = replace(plain, centred=False, unit=False)
    counting = arguments.architecture in COUNTING
    if (arguments.weight and counting) or (arguments.k and not counting):
        given, other = ("--weight", "-k") if counting else ("-k", "--weight")
        raise InputError(f"--architecture {arguments.architecture} has no use for {given}: its sparsity is set by {other}")
    found = []
    for size in arguments.size or [None]:
        if counting:
            found += [replace(plain, size=size, k=k) for k in arguments.k or [32]]
        elif arguments.weight:
            assert plain.sparsity is not None
            found += [replace(plain, size=size, sparsity=replace(plain.sparsity, weight=weight)) for weight in arguments.weight]
        else:
            found.append(replace(plain, size=size))
    return found


def _row(name: str, result: "Training", folder: Path) -> dict[str, Any]:
    last = {key: column[-1] for key, column in result.log.items()}
    return {
        "name": name, "folder": str(folder / name), "size": result.dictionary.size, "active": last["active"], "unexplained": last["unexplained"],
        "dead": last["dead"],
    }  # fmt: skip
