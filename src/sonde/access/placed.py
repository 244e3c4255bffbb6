"""Activations as rows of places, each with its entries, whatever the axes of their site."""

from jaxtyping import Float
from torch import Tensor

from sonde.access.run import Run
from sonde.results import InputError

PLACES = ("pos", "row", "col")


def by_place(run: Run, site: str) -> Float[Tensor, "batch place entry"]:
    """A site's value as rows of places, each with its entries; heads lie side by side.

    Arguments:
        run: has read the site.
        site: its name, with a selection or not.

    Raises:
        InputError: a site that has no entries, such as an attention pattern.
    """
    axes, value = run.axes(site), run[site]
    entries = [i for i, axis in enumerate(axes) if axis not in (*PLACES, "batch")]
    if "batch" not in axes or not entries or {"query", "key"} & set(axes):
        raise InputError(f"{site!r} has the axes {' '.join(axes)}: choose a site with a vector for each token, picture or place in it")
    where = [i for i, axis in enumerate(axes) if axis in PLACES]
    value = value.permute(axes.index("batch"), *where, *entries)
    return value.flatten(1 + len(where)).flatten(1, len(where)) if where else value.flatten(1)[:, None]
