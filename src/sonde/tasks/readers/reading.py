"""`tasks.read`: a task from a file of examples, in any of the formats in which circuit tasks are published."""

import random
from pathlib import Path

from sonde.access import Model
from sonde.results import InputError
from sonde.tasks.gathering import Gathering
from sonde.tasks.own import load_own
from sonde.tasks.own.template import SlotTemplate
from sonde.tasks.readers.agreement import AGREEMENT
from sonde.tasks.readers.benchmark import CITIES, COLOURED_OBJECTS, INDIRECT_OBJECTS
from sonde.tasks.readers.lookups import FACTS, HYPERNYMS, PROFESSIONS
from sonde.tasks.readers.names import IOI
from sonde.tasks.readers.pairs import PAIRS, PREFIXES, PROMPTS
from sonde.tasks.readers.source import Format, Source
from sonde.tasks.readers.winogender import SCHEMAS, SENTENCES
from sonde.tasks.readers.years import NUMBERS, YEARS
from sonde.tasks.tables import Record, records
from sonde.tasks.task import Task

# the first whose columns are all there is meant
_ORDER = (
    PROMPTS, PREFIXES, PAIRS, IOI, PROFESSIONS, FACTS, HYPERNYMS, AGREEMENT, YEARS, NUMBERS, SCHEMAS, SENTENCES, CITIES, COLOURED_OBJECTS,
    INDIRECT_OBJECTS,
)  # fmt: skip
FORMATS = {format_.name: format_ for format_ in _ORDER}
DRAWS = 64  # from what is a template rather than a list of examples


def read(
    path: str | Path,
    model: Model,
    n: int | None = None,
    seed: int = 0,
    bos: bool | None = None,
    format: str | None = None,  # noqa: A002
    variant: str | None = None,
) -> Task:
    """A task from a file of examples.

    Texts are taken as they are and made tokens by the model's own tokenizer; token ids that a file holds are never used. An example that does not
    fit (an answer of several tokens, a counterfactual with another number of them) is dropped, and the task's notes count how many and why.

    Arguments:
        path: the file, or a folder that holds `templates.json`.
        model: the model whose tokenizer is used.
        n: how many examples, drawn at random; by default all, or 64 where the file is a template.
        seed: of the draws.
        bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.
        format: one of `sonde.tasks.FORMATS`; by default told from the file's columns.
        variant: what is read from a file that holds several things, such as `corrupted_hard`; the format's first by default.

    Raises:
        InputError: a file in no known format, or none of whose examples fits; with the figures.

    >>> import sonde, tempfile
    >>> file = Path(tempfile.mkdtemp()) / "my.csv"
    >>> _ = file.write_text("clean,corrupt,answer,wrong\\nThe keys,The key, are, is\\nThe dogs,The old dog, are, is\\n")
    >>> task = read(file, sonde.load("specimen:words"))
    >>> print(task)  # doctest: +ELLIPSIS
    Task 'my': 1 examples of 3 tokens
      'The keys' against 'The key'
      note: read as 'pairs'...
      note: 1 of 2 rows dropped: the counterfactual has another number of tokens (first row 2: 4 against 3, ...)
    """
    file = Path(path).expanduser()
    file = file / "templates.json" if file.is_dir() else file
    if not file.is_file():
        raise InputError(f"there is no file {file}: give one with examples")
    rows = records(file)
    if not rows:
        raise InputError(f"{file} holds no rows")
    chosen = _format(file, rows, format)
    if variant is not None and variant not in chosen.variants:
        known = f"it has {', '.join(chosen.variants)}" if chosen.variants else "it has none: leave it out"
        raise InputError(f"the format {chosen.name!r} has no variant {variant!r}; {known}")
    variant = variant or next(iter(chosen.variants), "")
    name = file.parent.name if file.name == "templates.json" else file.stem
    told = (f"read as {chosen.name!r}" + (f", variant {variant!r} of {', '.join(chosen.variants)}" if variant else ""), *chosen.notes)
    found = chosen.read(Source(file, rows, variant, seed))
    if isinstance(found, SlotTemplate):
        return load_own(found, model, DRAWS if n is None else n, seed, bos, name=name, notes=told)
    examples = list(found)
    if n is not None and n < len(examples):
        random.Random(seed).shuffle(examples)
    gathering = Gathering(model, name, "rows", bos)
    for example in examples:
        if n is not None and len(gathering.pairs) == n:
            break
        gathering.add(example)
    short = (f"only {len(gathering.pairs)} examples of the {n} asked for fit",) if n is not None and 0 < len(gathering.pairs) < n else ()
    return gathering.task(notes=(*told, *short))


def _format(file: Path, rows: list[Record], name: str | None) -> Format:
    columns = set(rows[0])
    if name is not None and name not in FORMATS:
        raise InputError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    if name is not None:
        missing = sorted(FORMATS[name].columns - columns)
        if missing:
            raise InputError(f"{file} has no column {missing[0]!r}, which the format {name!r} needs; it has {', '.join(map(str, columns))}")
        return FORMATS[name]
    found = next((known for known in _ORDER if known.columns <= columns), None)
    if found is None or (found is INDIRECT_OBJECTS and not all("{name_C}" in row["word"] for row in rows)):
        raise InputError(
            f"{file} has the columns {', '.join(map(str, rows[0]))}, which are no known format of examples: give clean, corrupt, answer and wrong "
            f"(lists of words are for the slots of templates: file: {file.name})"
        )
    return found
