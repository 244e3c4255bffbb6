"""The page on families says what the families say: its table is made from them (`python tests/test_families_page.py` prints it)."""

from collections import Counter
from itertools import groupby
from pathlib import Path

from sonde.catalogue import Entry, catalogue

PAGE = Path(__file__).parents[1] / "docs" / "families.md"


def names(entry: Entry) -> set[str]:
    """A type's sites, without its towers' prefixes."""
    return {name.removeprefix("text.").removeprefix("vision.") for name in entry.sites}


def table() -> str:
    """One line for each family: its types, their law, and where its sites differ from those that most types have."""
    entries = catalogue()
    counts = Counter(name for entry in entries for name in names(entry))
    common = sorted(name for name, n in counts.items() if n > len(entries) / 2)
    lines = ["| family | model types | law | has not | has also |", "| --- | --- | --- | --- | --- |"]
    for family, group in groupby(entries, key=lambda entry: entry.family):
        kin = list(group)
        some, every = set().union(*map(names, kin)), set.intersection(*map(names, kin))
        laws = ", ".join(dict.fromkeys(entry.law for entry in kin))
        has_not, has_also = (", ".join(f"`{name}`" for name in part) for part in ([n for n in common if n not in every], sorted(some - set(common))))
        types = ", ".join(f"`{entry.model_type}`" for entry in kin)
        lines.append(f"| {family} | {types} | {laws} | {has_not} | {has_also} |")
    return "\n".join(line.replace("  ", " ") for line in lines)


def test_the_table_is_what_the_families_say():
    assert table() in PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    print(table())
