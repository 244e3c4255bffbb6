"""`sonde features describe`: features in words, and how well the words predict."""

import argparse
import math
import os
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count
from sonde.cli.features.shared import add_database_options, add_model_options, opened, opened_basis
from sonde.cli.printing import noted, plain_verdict, print_json, refuse_unwritable, told
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.features import Descriptions, Features
    from sonde.features.descriptions import Client, Scorer
    from sonde.results.document import Document

SCORERS = ("detection", "fuzzing", "simulation", "intruder", "embedding", "surprisal", "intervention")


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "describe",
        help="describe features in words, and score the words",
        description="Describe features from half of the texts of a database, and judge the descriptions on the other half, beside those of other "
        "features. Without --client and --local no language model is asked: rules are searched and followed. The database keeps the descriptions.",
    )
    add_database_options(action)
    which = action.add_mutually_exclusive_group()
    which.add_argument("--latents", type=_numbers, metavar="N,N", help="which features (default: a sample)")
    which.add_argument("--sample", type=count, default=50, metavar="N", help="so many that fire, drawn at random (default: %(default)s)")
    action.add_argument("--scorers", default="detection,fuzzing,simulation", metavar="S,S", help=f"of {', '.join(SCORERS)} (default: %(default)s)")
    action.add_argument("-n", type=count, default=50, metavar="N", help="firing windows to judge on, and as many silent ones (default: %(default)s)")
    action.add_argument("--window", type=count, default=32, metavar="N", help="tokens of a window (default: %(default)s)")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws (default: %(default)s)")
    _add_client_options(action)
    add_model_options(action)
    action.add_argument(
        "--beside", action="append", default=[], metavar="FOLDER", help="compare with another database of the same texts; again for several"
    )
    action.add_argument("--save", metavar="FOLDER", help="keep the scores as an artifact in a new folder")
    action.add_argument("--out", metavar="FILE", help="write a page")
    action.set_defaults(run=run)


def _add_client_options(action: argparse.ArgumentParser) -> None:
    who = action.add_mutually_exclusive_group()
    who.add_argument("--client", metavar="URL", help="an OpenAI-compatible endpoint explains and judges, such as http://localhost:8000/v1")
    who.add_argument("--local", metavar="M", help="a language model on this machine does: a specimen, a folder, a Hub id or FILE.py:NAME")
    action.add_argument("--client-model", metavar="NAME", help="of the model behind --client")
    action.add_argument("--key-variable", metavar="NAME", help="the environment variable that holds the key of --client")
    action.add_argument("--concurrency", type=count, default=4, metavar="N", help="requests at a time (default: %(default)s)")
    action.add_argument("--timeout", type=float, default=60.0, metavar="S", help="seconds that --client may be silent (default: %(default)s)")
    action.add_argument("--cache", metavar="FOLDER", help="keep answers of --client, so that none is asked twice")
    action.add_argument("--budget", type=int, metavar="TOKENS", help="stop before so many tokens, read and written together, are exceeded")
    action.add_argument("--price", type=_price, metavar="R,W", help="of a million tokens read, and of a million written")


def run(arguments: argparse.Namespace) -> int:
    """Describe, then print, keep or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.features import compare_descriptions, describe
    from sonde.features.descriptions import stored
    from sonde.features.descriptions.comparison import picked

    features = opened(arguments)
    client = _client(arguments)
    scorers = [_scorer(name, arguments, features) for name in arguments.scorers.split(",")]
    recording = stored(features)
    latents = arguments.latents or picked(recording, arguments.sample, arguments.seed)
    settings: dict[str, Any] = {"client": client, "scorers": scorers, "n": arguments.n, "window": arguments.window, "progress": not arguments.json}
    found = describe(features, latents, seed=arguments.seed, **settings)
    compared = []
    if arguments.beside:
        folders = {folder: type(features).load(folder) for folder in arguments.beside}
        named = {str(features.folder): recording, **{folder: stored(one) for folder, one in folders.items()}}
        compared = [compare_descriptions(named, len(latents), arguments.seed, **settings)]
    if arguments.save:
        found.save(arguments.save)
    verdicts = [*found.verdicts, *(verdict for one in compared for verdict in one.verdicts)]
    if arguments.json:
        print_json(
            arguments, start, warnings=list(found.notes), model=features.about()["model"], model_hash=features.recipe.model_hash, judge=found.judge,
            descriptions=[{"latent": d.latent, "text": d.text, "author": d.author, "error": d.error} for d in found.descriptions],
            scores=_plain_scores(found), failures=found.failures, usage=vars(found.usage), verdicts=[plain_verdict(verdict) for verdict in verdicts],
        )  # fmt: skip
    told(arguments, document(features, found, [one.drawing() for one in compared], verdicts))
    return 0


def document(features: "Features", found: "Descriptions", drawings: list[Any], verdicts: list[Any]) -> "Document":
    """The descriptions as a page.

    Arguments:
        features: the database.
        found: the descriptions.
        drawings: of comparisons with other databases.
        verdicts: of all.
    """
    from sonde.results.document import Document, Section, Sentence
    from sonde.results.drawing import table

    first = found.scorers[0] if found.scorers else ""
    scores = {score.latent: score for score in found.values(first)}
    # the best first, those without a score last
    ordered = sorted(found.descriptions, key=lambda d: -scores[d.latent].value if d.latent in scores else math.inf)
    rows = [[d.latent, d.text or f"({d.error})", *_pair(scores.get(d.latent))] for d in ordered]
    listed = table("What do the features stand for?", ["feature", "description", first or "score", "shuffled"], rows)
    about = features.about()
    facts = [
        ("features", f"{len(found.descriptions)} of {about['size']:,} of {about['basis']} at {about['site']} of {about['model']}"),
        ("described by", found.descriptions[0].author if found.descriptions else ""), ("judged by", found.judge),
        ("not read", f"{found.failures} answers"), ("cost", str(found.usage)),
    ]  # fmt: skip
    sections = [
        Section("descriptions", "Descriptions", drawings=[listed]),
        Section(
            "scores", "Do the words predict?", "Judged on texts that the explainer had not seen, beside the description of another feature.",
            [*([found.drawing()] if scores else []), *drawings], [Sentence(verdict.claim, verdict) for verdict in verdicts],
        ),
    ]  # fmt: skip
    return Document("Features in words", "", facts, [*sections, *noted(found.notes)])


def _client(arguments: argparse.Namespace) -> "Client | None":
    """Who is asked; nobody by default."""
    from sonde.features.descriptions import Budget, Local, OpenAICompatible
    from sonde.loading import load

    budget = Budget(arguments.budget, price=arguments.price)
    if arguments.local:
        return Local(load(arguments.local), budget)
    if not arguments.client:
        return None
    if not arguments.client_model:
        raise InputError("say which model behind --client is asked with --client-model")
    if arguments.key_variable and arguments.key_variable not in os.environ:
        raise InputError(f"the environment variable {arguments.key_variable!r} of --key-variable is not set")
    key = os.environ.get(arguments.key_variable or "", "")
    return OpenAICompatible(
        arguments.client, arguments.client_model, key, arguments.concurrency, timeout=arguments.timeout, cache=arguments.cache, budget=budget
    )


def _scorer(name: str, arguments: argparse.Namespace, features: "Features") -> "Scorer":
    from sonde.features.collecting.directions import added_at
    from sonde.features.descriptions import Detection, Embedding, Fuzzing, Intervention, Intruder, Local, Simulation, Surprisal
    from sonde.loading import load

    simple = {"detection": Detection, "fuzzing": Fuzzing, "simulation": Simulation, "intruder": Intruder, "embedding": Embedding}
    if name in simple:
        return simple[name]()  # type: ignore[return-value]
    if name == "surprisal":
        if not arguments.local:
            raise InputError("surprisal needs the probabilities of given texts, which a model on this machine has: name one with --local")
        return Surprisal(Local(load(arguments.local)))
    if name != "intervention":
        raise InputError(f"--scorers {name!r}: choose from {', '.join(SCORERS)}")
    model = load(arguments.model)
    if model.hash != features.recipe.model_hash:
        raise InputError(
            f"{features.folder} was collected from the model {features.recipe.model_hash[:8]}, and --model {arguments.model} is {model.hash[:8]}"
        )
    return Intervention(model, features.writes, added_at(opened_basis(arguments, model, features.site[0]), features.writes), seed=arguments.seed)


def _plain_scores(found: "Descriptions") -> list[dict[str, Any]]:
    from sonde.results.plain import json_ready

    rows: list[dict[str, Any]] = json_ready([vars(score) for score in found.scores])
    return rows


def _pair(score: Any) -> tuple[float | None, float | None]:
    from sonde.results.plain import number

    return (None, None) if score is None else (number(score.value), number(score.shuffled))


def _numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 3,17")
    return [int(part) for part in parts]


def _price(text: str) -> tuple[float, float]:
    try:
        read, written = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no pair of prices such as 0.5,1.5") from None
    return read, written
