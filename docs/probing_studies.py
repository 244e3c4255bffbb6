"""The studies in docs/methods/probing.md: what is readable where, in models of four shapes.

    python docs/probing_studies.py words FOLDER          properties of the small world by layer, in specimen:words: encoded, and used; FOLDER keeps
                                                         the table, not made again where it is there, and the probes that are shipped
    python docs/probing_studies.py treebank DATA [MODEL] part of speech and relation by layer, in the models of the folder DATA (stories260k,
                                                         char_lstm, ud_ewt); MODEL is a folder with one more, such as an encoder
    python docs/probing_studies.py pud DATA [MODEL]      news or encyclopedia, learnt in English and told in other languages (pud_parallel)

prints each table with the commonest class, the word by itself, and an untrained model beside it.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

import sonde
from bench.stories260k import convert
from sonde import probing
from sonde.behaviour.scorers import CharacterScorer, char_lstm
from sonde.probing import Labelled
from sonde.probing.shipped.recipe import make
from sonde.probing.untrained import broken

SENTENCES = 400
FIELDS = ("upos", "deprel")
UNTRAINED, TRAINED = "untrained model", "trained"
HOME, LANGUAGES, EVERY = "en", ("en", "de", "fr", "zh"), 4  # one sentence in so many is read


def row(found: probing.ProbeSweep) -> list[str]:
    """The figures of a sweep: the accuracy at each site, what is told without the model, the best of an untrained one, and what holds."""
    known = {name: float(found.controls[name].mean()) for name in ("commonest", "word type") if name in found.controls}
    untrained = float(found.controls[UNTRAINED].mean((0, 2)).max())
    verdicts = found.check()
    held = sum(verdict.holds is True for verdict in verdicts[: len(found.sites)])
    return [
        *(f"{value:.2f}" for value in found.accuracy),
        *(f"{value:.2f}" for value in known.values()),
        f"{untrained:.2f}",
        f"{held}/{len(found.sites)}",
    ]


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    """Print a table as its rows come."""
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for cells in rows:
        print(f"| {' | '.join(cells)} |", flush=True)


def of_words(folder: Path) -> None:
    """A dozen properties of the small world: where each can be read, and whether the model uses it."""
    found = make(sonde.load("specimen:words"), folder)
    study = probing.PropertyTable.load(folder / "table")
    head = ["property", *found.sites, *study.controls, "readable at", "used at", "says"]
    table(head, ([f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in cells] for cells in study.summary().data["rows"]))
    for note in study.notes:
        print(note)


def as_characters(scorer: CharacterScorer) -> Callable[[Labelled], Labelled]:
    """Examples as a network of characters reads them; texts with a character that it does not know are left out."""

    def read(data: Labelled) -> Labelled:
        assert not isinstance(data.texts, Tensor)
        known = [not set(text) - set(scorer.vocabulary) for text in data.texts]
        data = data.select(torch.tensor(known)[data.text])
        ids = [[scorer.vocabulary[c] for c in scorer.start + text] if ok else [0] for text, ok in zip(data.texts, known, strict=True)]
        spans = [[(start + 1, stop + 1) for start, stop in spans] for spans in data.spans]
        return Labelled.of(ids, data.targets, data.name, data.text, spans, data.classes, data.types, data.groups)

    return read


def subjects(folder: Path, more: Sequence[str]) -> Iterator[tuple[str, sonde.Model, list[str] | None, Callable[[Labelled], Labelled]]]:
    """The models, with what is read of each."""
    with tempfile.TemporaryDirectory() as place:
        convert(folder / "stories260k", Path(place))
        yield "stories260k", sonde.load(place), None, lambda data: data
    scorer = char_lstm(folder / "char_lstm", "charlotte_bronte")
    yield "char_lstm", scorer.model, ["embed:out", "lstm0:out", "lstm1:out"], as_characters(scorer)
    for path in more:
        yield Path(path).name, sonde.load(path), None, lambda data: data


def of_treebank(folder: Path, more: Sequence[str]) -> None:
    """Part of speech and relation, layer by layer."""
    file = folder / "ud_ewt" / "en_ewt-ud-dev.conllu"
    for name, model, sites, as_read in subjects(folder, more):
        asked = [as_read(probing.treebank(file, field, n=SENTENCES)) for field in FIELDS]
        for data in asked:
            found = probing.sweep(model, data, sites, probe="ridge", seeds=1, controls=[UNTRAINED], progress=True)
            print(f"\n{name}: {data.name}, {found.trained_on:,} words to learn from")
            table([*found.sites, "commonest", "word", "untrained", "readable at"], iter([row(found)]))
        arise = probing.pipeline(model, asked, sites, progress=True)
        for data, layer, interval, centre in zip(asked, arise.expected_layer, arise.intervals, arise.centre_of_gravity, strict=True):
            print(f"{name}: expected layer of {data.name} {layer:.2f} {interval}, centre of gravity {centre:.2f}", flush=True)


def of_parallel(folder: Path, more: Sequence[str]) -> None:
    """The domain of a sentence: a probe that learnt in English, in other languages; beside one that learnt there, and an untrained model."""
    file = folder / "pud_parallel" / "pud.tsv"
    whole = {language: probing.parallel(file, [language], "domain") for language in LANGUAGES}
    asked = {language: data.select(data.groups % EVERY == 0) for language, data in whole.items()}
    for name, model, sites, _ in subjects(folder, more):
        if name == "char_lstm":  # knows the characters of English alone
            continue
        print(f"\n{name}", flush=True)
        states = {way: _of_languages(one, asked, sites) for way, one in ((TRAINED, model), (UNTRAINED, broken(model, UNTRAINED, 0)))}
        found = {way: probing.transfer_of(read[HOME], {one: read[one] for one in LANGUAGES}, HOME) for way, read in states.items()}
        best = int(found[TRAINED].at_home.mean(1).argmax())
        print(f"at {found[TRAINED].sites[best]}, {found[TRAINED].at_home.shape[1]} sentences of each language to be judged on")
        table(["judged on", "learnt in English", "learnt there", "commonest", "untrained, learnt in English", "holds"], _transferred(found, best))


def _of_languages(model: sonde.Model, asked: dict[str, Labelled], sites: list[str] | None) -> dict[str, probing.States]:
    return {language: probing.read_states(model, data, sites, "mean", progress=True) for language, data in asked.items()}


def _transferred(found: dict[str, probing.Transfer], best: int) -> Iterator[list[str]]:
    """A row for each language, at one site."""
    trained, untrained = found[TRAINED], found[UNTRAINED]
    for i, (language, verdict) in enumerate(zip(trained.targets, trained.check(), strict=True)):
        figures = trained.abroad[i][best], trained.natives[i][best], trained.commonest[i], untrained.abroad[i][best]
        yield [language, *(f"{float(one.mean()):.2f}" for one in figures), str(verdict.holds)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    match sys.argv[1:]:
        case ["words", folder]:
            of_words(Path(folder))
        case ["treebank", folder, *more]:
            of_treebank(Path(folder), more)
        case ["pud", folder, *more]:
            of_parallel(Path(folder), more)
        case _:
            sys.exit(__doc__)
