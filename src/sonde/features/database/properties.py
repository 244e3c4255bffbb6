"""How much likelier a stated property of a token is where a latent is active: P(property | activation in an interval) / P(property).

Intervals of the ratio are Wilson's for the share in the numerator, over the share of all counted tokens. They take tokens as independent; tokens of
one text are not, so they are too narrow where a latent fires often in few texts.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy import ndarray

from sonde.evidence import wilson
from sonde.features.collecting.histograms import bin_of
from sonde.features.collecting.tables import INTERVALS
from sonde.features.records import Property, Ratio
from sonde.results import InputError, shown

if TYPE_CHECKING:
    from sonde.features.database.features import Features

Stated = str | re.Pattern[str] | Callable[[str], bool] | ndarray | Sequence[Sequence[bool]]
SCRIPT = "script:"


def likelihood_ratio(features: "Features", latent: int, stated: Stated, name: str = "") -> Property:
    """The ratio in each interval of a latent's activation, the highest first.

    Arguments:
        features: the database.
        latent: its number.
        stated: the property: "script:Arabic" and the like; another text is a regular expression that a token's text must hold; a function of a
            token's text; or, for each sequence, whether each of its tokens has it (tags of a treebank, a classifier's answers).
        name: what it is called.

    Raises:
        InputError: no such property; one that no token has.
    """
    has = _mask(features, stated)
    counted = ~np.isin(features.storage.ids, sorted(features.left_out)) if features.left_out else np.ones(len(has), dtype=bool)
    base = float(has[counted].mean())
    title = name or (stated if isinstance(stated, str) else getattr(stated, "pattern", getattr(stated, "__name__", "property")))
    if base == 0:
        raise InputError(f"no token of the corpus has the property {shown(title)}, so nothing can be likelier: state another")
    firings = features.firings(latent)
    row = features.storage.rows("SELECT minimum, maximum FROM latents WHERE latent = ?", [latent])[0]
    low, high = float(row["minimum"]), float(row["maximum"])
    drawn = firings.drawn
    bins = bin_of(torch.as_tensor(firings.value[drawn]), torch.tensor(low), torch.tensor(high), INTERVALS).numpy()
    of_firing = has[features.storage.offsets[firings.sequence[drawn]] + firings.position[drawn]]
    ratios = []
    for i in reversed(range(INTERVALS)):
        inside = of_firing[bins == i]
        n, k = len(inside), int(inside.sum())
        interval = tuple(end / base for end in wilson(k, n)) if n else None
        edges = (low + i * (high - low) / INTERVALS, low + (i + 1) * (high - low) / INTERVALS)
        ratios.append(Ratio(low=edges[0], high=edges[1], ratio=k / n / base if n else None, interval=interval, n=n))  # type: ignore[typeddict-item]
    return Property(name=str(title), base=base, ratios=ratios)


def in_script(text: str, script: str) -> bool:
    """Whether a token's letters are of one of Unicode's scripts; a token without letters is of none.

    Arguments:
        text: of the token.
        script: as Unicode begins the names of its letters: "Arabic", "Greek", "CJK".

    >>> in_script(" дом", "Cyrillic"), in_script(" 7", "Latin")
    (True, False)
    """
    letters = [c for c in text if c.isalpha()]
    return bool(letters) and all(unicodedata.name(c, "").startswith(script.upper()) for c in letters)


def _mask(features: "Features", stated: Stated) -> ndarray:
    """Whether each token of the corpus has the property, sequence after sequence."""
    ids, offsets = features.storage.ids, features.storage.offsets
    if isinstance(stated, str | re.Pattern) or callable(stated):
        test = _test(stated)
        distinct, where = np.unique(ids, return_inverse=True)
        return np.array([bool(test(text)) for text in features.storage.texts(distinct.tolist())])[where]
    if isinstance(stated, ndarray) and stated.ndim == 1:
        given = stated
    else:
        lengths = [len(row) for row in stated]
        if lengths != np.diff(offsets).tolist():
            raise InputError(
                f"the property is given for {len(lengths)} sequences of {sum(lengths)} tokens, the corpus has {len(offsets) - 1} of {len(ids)}"
            )
        given = np.concatenate([np.asarray(row) for row in stated])
    if len(given) != len(ids) or not np.isin(given, (0, 1)).all():
        raise InputError(
            f"the property is given for {len(given)} tokens, the corpus has {len(ids)}: give true or false for each, special ones included"
        )
    return given.astype(bool)


def _test(stated: "str | re.Pattern[str] | Callable[[str], bool]") -> Callable[[str], object]:
    if isinstance(stated, str) and stated.startswith(SCRIPT):
        script = stated.removeprefix(SCRIPT).strip()
        return lambda text: in_script(text, script)
    if isinstance(stated, str):
        try:
            return re.compile(stated).search
        except re.error as error:
            raise InputError(f"{shown(stated)} is no regular expression ({error}); a script is stated as 'script:Arabic'") from None
    return stated.search if isinstance(stated, re.Pattern) else stated
