"""Agreement with sets of verbs (Newman et al. 2021, after Marvin and Linzen 2018; as tabulated by Hanna et al. 2024).

A row says only whether its subject is plural; right is every verb of that number, wrong every verb of the other, from a list of both forms beside the
file (`sva_verb_list.csv` with the columns sing and plur).
"""

from collections.abc import Iterator

from sonde.results import InputError
from sonde.tasks.gathering import Example, Misfit
from sonde.tasks.readers.source import Format, Source, spaced
from sonde.tasks.tables import Record, words

VERBS = "sva_verb_list.csv"
_COMMON = ("is", "are", "was", "were", "has", "have", "does", "do")


def _agreement(source: Source) -> Iterator[Example | Misfit]:
    file = source.file.parent / VERBS
    if not file.is_file():
        raise InputError(f"{source.file} says only whether the verb is plural: put the verbs beside it, as {VERBS} with the columns sing and plur")
    singular, plural = zip(*words(file, ("sing", "plur")), strict=True)
    both = {*singular} & {*plural}
    # the commonest stand for all where one is needed
    verbs = [spaced(*sorted((verb for verb in form if verb not in both), key=lambda verb: verb not in _COMMON)) for form in (singular, plural)]
    return source.each(lambda row: _example(row, *verbs))


def _example(row: Record, singular: tuple[str, ...], plural: tuple[str, ...]) -> Example:
    if row["plural"] not in ("0", "1"):
        raise Misfit("plural is neither 0 nor 1", repr(row["plural"]))
    right, wrong = (plural, singular) if row["plural"] == "1" else (singular, plural)
    return Example(row["clean"], row["corrupted"], right, wrong)


AGREEMENT = Format("agreement", f"clean, corrupted, plural; the verbs beside it in {VERBS}", frozenset({"clean", "corrupted", "plural"}), _agreement)
