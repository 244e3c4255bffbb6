"""`sonde behaviour surprisal`: how little a model expected each token and each word of a text."""

import argparse
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.cli.behaviour.shared import add_options, each, opened
from sonde.cli.printing import noted, print_json, told
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.behaviour import Surprisal

DRAWN = 5  # texts of a file that are drawn; all are in the JSON


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "surprisal",
        help="how little a model expected each token and each word",
        description="Print the surprisal of each token and word of a text, or of each line of a file. A word counts with the probability that it "
        "ends where it does, under any tokenizer.",
    )
    action.add_argument("text", metavar="TEXT|FILE", help="a text, or a file with one text in each line")
    action.add_argument("--base", default="2", choices=("2", "e"), help="2 for bits, e for nats (default: %(default)s)")
    action.add_argument("--sums", action="store_true", help="a word is the sum of its tokens, whatever follows it")
    action.add_argument("--stride", type=int, metavar="N", help="read texts beyond the context in windows of N new tokens")
    add_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read the texts with each model, then print or write what was asked for."""
    start = time.perf_counter()
    texts = _texts(arguments.text)
    models = opened(arguments)
    from sonde.results.document import Document, Section

    found, warnings = each(models, lambda model: (model, *_read(model, texts, arguments)))
    for model, result, bad in found:
        warnings += [f"{model.name}: {note}" for note in (*bad, *result.notes)]
    if arguments.json:
        plain = [_plain(model, result) for model, result, _ in found]
        print_json(arguments, start, models[0], warnings=warnings, unit=found[0][1].unit, results=plain)
    sections = [
        Section(f"model-{i}-text-{text}", f"{model.name}: {result.texts[text]}", drawings=[result.drawing(text), result.drawing(text, by="word")])
        for i, (model, result, _) in enumerate(found)
        for text in range(min(DRAWN, len(result.texts)))
    ]
    left = len(texts) - DRAWN
    more = [f"{left} more texts are not drawn; --json prints all"] if left > 0 else []
    facts = [(model.name, _mean(result)) for model, result, _ in found]
    told(arguments, Document("How surprising is each word?", "", facts, [*sections, *noted([*warnings, *more])]))
    return 0


def _texts(given: str) -> list[str]:
    """The text itself, or the lines of the file of that name."""
    try:
        file = Path(given).is_file()
    except (OSError, ValueError):  # too long for a name
        file = False
    if not file:
        return [given]
    try:
        lines = [line for line in Path(given).read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{given} is no text in UTF-8 (byte {error.start}): give a text, or a file with one text in each line") from None
    if not lines:
        raise InputError(f"{given} holds no text: give a file with one text in each line")
    return lines


def _read(model: "Model", texts: list[str], arguments: argparse.Namespace) -> "tuple[Surprisal, list[str]]":
    """What one model finds, and the texts that it can't read; raises where it can read none."""
    from sonde.behaviour import surprisal
    from sonde.behaviour.reading import refuse_text

    def readable(numbered: tuple[int, str]) -> str:
        i, text = numbered
        refuse_text(model, text, f"text {i}", arguments.bos, arguments.stride)
        return text

    good, bad = each(enumerate(texts, 1), readable)
    base: Any = 2 if arguments.base == "2" else "e"
    result = surprisal(
        model, good, base=base, bos=arguments.bos, correct_boundaries=not arguments.sums, stride=arguments.stride, progress=not arguments.json
    )
    return result, bad


def _plain(model: "Model", result: "Surprisal") -> dict[str, Any]:
    """A result as plain data; what has no surprisal has none."""
    texts = []
    for i, text in enumerate(result.texts):
        tokens = [
            {"token": token, "start": None if span is None else span[0], "end": None if span is None else span[1], "word": None if of < 0 else of,
             "surprisal": _number(value)}
            for token, span, of, value in zip(result.tokens[i], result.spans[i], result.word_of[i], result.values[i].tolist(), strict=False)
        ]  # fmt: skip
        words = [
            {"word": text[start:end], "start": start, "end": end, "surprisal": _number(value)}
            for (start, end), value in zip(result.words[i], result.word_values[i].tolist(), strict=False)
        ]
        texts.append({"text": text, "total": _number(result.total[i].item()), "tokens": tokens, "words": words})
    return {"model": model.name, "model_hash": model.hash, "corrected": result.corrected, "texts": texts}


def _mean(result: "Surprisal") -> str:
    values = result.values[~result.values.isnan()]
    return f"{float(values.double().mean()):.3f} {result.unit} a token, over {len(values)} tokens in {len(result.texts)} texts"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
