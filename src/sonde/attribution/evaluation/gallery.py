"""The maps behind randomisation tests, side by side: a method per row, ever more of the model randomised along it (Adebayo et al. 2018, figure 2)."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from sonde.attribution.evaluation.cascade import KEPT, Cascade
from sonde.results import Drawing, InputError
from sonde.results.drawing import overlays


def gallery(cascades: Sequence[Cascade], example: int = 0) -> Drawing:
    """Draw the maps of one picture while the model is randomised, a row for each method.

    Arguments:
        cascades: of several methods, over the same pictures and parts.
        example: the number of the picture.

    Raises:
        InputError: no cascade, one that is not of pictures, two of different pictures or parts, or an example whose maps were not kept.
    """
    if not cascades:
        raise InputError("there is no cascade to draw; give at least one")
    first = cascades[0]
    shown = [_kept(one, example) for one in cascades]
    for one, (picture, _) in zip(cascades, shown, strict=True):
        if (one.parts, one.order) != (first.parts, first.order) or not picture.equal(shown[0][0]):
            raise InputError(f"{one.method} and {first.method} were tested on different pictures or parts: compute both on the same")
    how = "from the output down to" if first.order == "top-down" else "alone"
    return overlays(
        "Do the maps depend on the weights?",
        "in the metric's unit",
        shown[0][0],
        [list(maps) for _, maps in shown],
        row_name="method",
        rows=[one.method for one in cascades],
        col_name=f"randomised, {how}",
        cols=["nothing", *first.parts],
        details=[["", *(f"ρ {similar:+.2f}" for similar in one.similarity[0, :, example].tolist())] for one in cascades],
        colours="own",
        note=f"ρ: {first.measures[0]} with the map of the trained model, mean over {first.draws} draw(s) of the weights; the maps are of the first.",
    )


def _kept(one: Cascade, example: int) -> tuple[Float[Tensor, "channel row col"], Float[Tensor, "stage row col"]]:
    """A picture and its maps."""
    if one.maps is None or one.pictures is None:
        raise InputError(f"the cascade of {one.method} is not of pictures, so it has no maps to draw: use its drawing()")
    if not 0 <= example < len(one.pictures):
        raise InputError(f"the maps of example {example} were not kept: give 0 to {len(one.pictures) - 1}; the first {KEPT} are kept")
    return one.pictures[example], one.maps[:, example]
