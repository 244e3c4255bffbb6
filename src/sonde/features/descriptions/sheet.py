"""A blinded sheet: people rate features and neurons without knowing which is which, and the ratings are read back.

Three files: `sheet.html` shows the items, `sheet.csv` takes a rating and words for each, `key.json` says what the items are; keep it closed.
"""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sonde.evidence import compare
from sonde.features.descriptions.comparison import picked
from sonde.features.descriptions.examples import sampled
from sonde.features.descriptions.recording import Recording
from sonde.features.descriptions.sheet_page import page
from sonde.features.descriptions.stored import stored
from sonde.features.descriptions.windows import SIZE, Grid
from sonde.results import InputError, LoadError, Recipe, Result, Verdict
from sonde.results.drawing import Drawing, violins

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.features.database import Features

LOWEST, HIGHEST = 1, 5


@dataclass(frozen=True)
class Rating:
    """What a person said of one item.

    Arguments:
        item: its number on the sheet.
        group: what it was.
        latent: which.
        rating: from 1 (nothing in common) to 5 (one clear rule).
        words: the person's description; may be empty.
    """

    item: int
    group: str
    latent: int
    rating: int
    words: str


@dataclass(frozen=True, eq=False, repr=False)
class SheetRatings(Result):
    """A sheet that was filled in; made by `read_sheet`.

    Arguments:
        ratings: of the items that were rated.
        problems: rows that could not be read, and items without a rating, each named.
    """

    ratings: tuple[Rating, ...]
    problems: tuple[str, ...]

    @property
    def groups(self) -> dict[str, list[int]]:
        """The ratings by what the items were, in the order in which the groups were given."""
        names: list[str] = self.recipe.arguments["groups"]
        return {name: own for name in names if (own := [one.rating for one in self.ratings if one.group == name])}

    def to_frame(self) -> "DataFrame":
        """One row for each item that was rated."""
        import polars as pl

        return pl.DataFrame([asdict(one) for one in self.ratings], schema={"item": int, "group": str, "latent": int, "rating": int, "words": str})

    def drawing(self) -> Drawing:
        """The ratings of each group."""
        groups = self.groups
        note = f"{len(self.problems)} items without a rating." if self.problems else ""
        return violins("Which make sense to a person?", "rating from 1 to 5", list(groups), list(groups.values()), note=note)

    def check(self, model: Any) -> list[Verdict]:  # type: ignore[override]
        """Whether the first group was rated higher than each of the others.

        Arguments:
            model: the one that was recorded.

        Raises:
            CheckRefused: another model.
        """
        self.refuse_other(model)
        return self.verdicts

    @property
    def verdicts(self) -> list[Verdict]:
        """What `check` finds, for who has no model at hand; items of two groups stand beside one another as they were drawn."""
        (name, first), *others = self.groups.items()
        verdicts = []
        for other, ratings in others:
            n = min(len(first), len(ratings))
            own, control = torch.tensor(first[:n]).double(), torch.tensor(ratings[:n]).double()
            claim, source = f"A person finds more sense in {name} than in {other}.", "the middle of the scale"
            verdicts.append(compare(claim, "rating from 1 to 5", own, control, threshold=(LOWEST + HIGHEST) / 2, threshold_source=source))
        return verdicts


def blinded_sheet(
    groups: "Mapping[str, Recording | Features]", folder: str | Path, n: int = 50, n_shown: int = 10, window: int = SIZE, seed: int = 0
) -> Path:  # fmt: skip
    """Write a sheet of items drawn at random from each group, in random order.

    Arguments:
        groups: by name recordings or databases; 50 features and 50 neurons are usual.
        folder: for the files; made if it is missing.
        n: items of each group.
        n_shown: texts of an item: half of them the strongest, the others from all strengths.
        window: tokens of a text.
        seed: of the draws.

    Returns:
        The page to open.

    Raises:
        InputError: fewer than two groups, a group in which fewer latents fire, a folder that holds a sheet already.
    """
    recordings = {name: one if isinstance(one, Recording) else stored(one) for name, one in groups.items()}
    place = Path(folder)
    if len(recordings) < 2 or n < 1:
        raise InputError(f"groups {list(groups)}, n={n}: give at least two groups and one item of each")
    for name, one in recordings.items():
        if len(one.alive) < n:
            raise InputError(f"{len(one.alive)} latents of {name!r} fire in these texts: ask for at most so many items, or record more texts")
    if (place / "sheet.csv").exists():
        raise InputError(f"{place} holds a sheet already, which may have ratings: choose another folder")
    items = []
    for name, one in recordings.items():
        grid = Grid(one, window)
        items += [(name, latent, sampled(grid, grid, latent, 1, n_shown, seed=seed).shown) for latent in picked(one, n, seed)]
    order = torch.randperm(len(items), generator=torch.Generator().manual_seed(seed)).tolist()
    place.mkdir(parents=True, exist_ok=True)
    (place / "sheet.html").write_text(page([items[i][2] for i in order]), encoding="utf-8")
    with (place / "sheet.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("item", "rating", "words"), *((k + 1, "", "") for k in range(len(items)))])
    first = next(iter(recordings.values()))
    arguments = {"groups": list(groups), "n": n, "n_shown": n_shown, "window": window}
    hashes = [one.hash for one in recordings.values()]
    recipe = Recipe.of("sonde.features.blinded_sheet", arguments, model_hash=first.model_hash, inputs=hashes, seed=seed)
    key = {"items": [{"item": k + 1, "group": items[i][0], "latent": items[i][1]} for k, i in enumerate(order)], "recipe": asdict(recipe)}
    (place / "key.json").write_text(json.dumps(key, indent=1), encoding="utf-8")
    return place / "sheet.html"


def read_sheet(folder: str | Path) -> SheetRatings:
    """Read the ratings of a sheet back; rows that can't be read are named, and the rest counts.

    Arguments:
        folder: where `blinded_sheet` put the files.

    Raises:
        LoadError: no such files there. InputError: not one rating.
    """
    place = Path(folder)
    try:
        key = json.loads((place / "key.json").read_text(encoding="utf-8"))
        known = {int(item["item"]): (str(item["group"]), int(item["latent"])) for item in key["items"]}
        recipe = Recipe(**key["recipe"])
        text = (place / "sheet.csv").read_text(encoding="utf-8-sig")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LoadError(f"{place} holds no sheet with its key ({type(error).__name__}): make one with blinded_sheet") from None
    head = text.partition("\n")[0]
    # spreadsheets write semicolons or tabs where commas stand in numbers
    rows = list(csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=head.count)))
    ratings: dict[int, Rating] = {}
    problems = []
    for line, row in enumerate(rows, start=2):
        item, rating = (_number(row.get(name)) for name in ("item", "rating"))
        if item not in known or item in ratings:
            problems.append(f"line {line}: item {row.get('item')!r} is no item of this sheet, or stands twice")
        elif rating is None or not LOWEST <= rating <= HIGHEST:
            problems.append(f"item {item}: the rating {row.get('rating')!r} is none from {LOWEST} to {HIGHEST}")
        else:
            ratings[item] = Rating(item, *known[item], rating, (row.get("words") or "").strip())
    problems += [f"item {item}: no row" for item in known if item not in {_number(row.get("item")) for row in rows}]
    if not ratings:
        raise InputError(f"{place / 'sheet.csv'} holds no rating: write a number from {LOWEST} to {HIGHEST} into the column 'rating'")
    return SheetRatings(tuple(ratings[item] for item in known if item in ratings), tuple(problems), recipe=recipe)


def _number(text: object) -> int | None:
    found = str(text or "").strip()
    return int(found) if found.isdecimal() else None
