"""The pictures and figures in the docs on universality: what SqueezeNet and MobileNetV2 share on 89 photographs, of which none is shown.

    python docs/vision_match.py DATA FOLDER [NAME ...]

DATA holds `squeezenet_v1.0_dc`, `mobilenet_v2_q` (weights of two ImageNet networks) and `imagenet_samples`. What is finished is kept in FOLDER, so
that what was interrupted goes on. Names are those of the functions below; all of them by default.

The layers were chosen by stride and receptive field: the first of both, and of SqueezeNet's others those that MobileNetV2 has, too (19 pixels at a
stride of 4, 59 at 8), and its last module beside the nearest (155 and 139 at 16).

Needs Pillow, Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

from photographs import photographed
from torch import Tensor

from sonde.access import Model
from sonde.results import Drawing, Verdict
from sonde.vision import (
    Channel,
    Fourier,
    Normalisation,
    Tuning,
    UnitMatches,
    colours,
    gratings,
    kinds_of,
    match_units,
    recurrence,
    show,
    similarity,
    tuning,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from data_models import nets

BYTES = Normalisation((104.0, 117.0, 123.0), scale=255.0, order="bgr")  # as SqueezeNet was trained
HALF = Normalisation((0.5,), (0.5,))  # as MobileNetV2 was
HOW = {"normalise": BYTES, "other_normalise": HALF, "size": 227, "other_size": 224}
PAIRS = [("conv1_relu", "relu6.conv00"), ("fire2", "relu6.conv07"), ("fire5", "relu6.conv16"), ("fire9", "relu6.conv25")]
FIRES = ["conv1_relu", *(f"fire{i}" for i in range(2, 10))]
BLOCKS = [f"relu6.conv{i:02d}" for i in (0, 1, 4, 7, 10, 16, 22, 28, 37, 46, 51)]  # the first, 3 x 3 convolutions of nine blocks, the last
COLUMNS = 12  # units of the panel
STEPS = 256


class Studio:
    """Both networks, the pictures, and where results are kept."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.pictures, self.folder = data / "imagenet_samples" / "images", folder
        self.model = Model(nets.squeezenet(data / "squeezenet_v1.0_dc"), name="SqueezeNet")
        self.other = Model(nets.mobilenet(data / "mobilenet_v2_q"), name="MobileNetV2")

    def matched(self, layer: str, other_layer: str) -> UnitMatches:
        """The units of a layer and their counterparts."""
        return match_units(self.model, layer, self.other, other_layer, self.pictures, **HOW, folder=self.folder / f"{layer} {other_layer}")  # type: ignore[arg-type]


def layers(studio: Studio) -> Drawing:
    """Every layer beside every other."""
    found = similarity(studio.model, FIRES, studio.other, BLOCKS, studio.pictures, **HOW, draws=9, folder=studio.folder / "layers")  # type: ignore[arg-type]
    debiased = found.values[0]
    for i, layer in enumerate(FIRES):
        j = int(debiased[i].argmax())
        null = found.null[0, :, i, j]
        halves = ", ".join(f"{float(one):.2f}" for one in found.halves[0, :, i, j])
        print(
            f"{layer}: most like {BLOCKS[j]}, debiased CKA {float(debiased[i, j]):.2f} (halves {halves}; random order up to {float(null.max()):.3f})"
        )
    print(f"random order, all pairs: debiased {float(found.null[0].mean()):.3f}, plain {float(found.null[1].mean()):.3f}")
    _say(found.check(studio.model, studio.other, studio.pictures, draws=4, folder=studio.folder / "layers check"))
    return found.drawing()


def units(studio: Studio) -> Drawing:
    """How alike the units of four pairs of layers are; the histogram is that of the first."""
    drawings = []
    for layer, other_layer in PAIRS:
        found = studio.matched(layer, other_layer)
        drawings.append(found.drawing())
        share, null = found.recurring()
        best, chance, held, most, pairs = (float(one.nanmean()) for one in (found.best, found.null_best, found.held, found.most, found.paired))
        print(f"{layer} and {other_layer}: best match {best:.3f} (random order {chance:.3f}), one to one {pairs:.3f}")
        print(f"  on the half that did not choose {held:.3f} of {most:.3f}")
        print(f"  {share:.0%} exceed all orders ({float(null.mean()):.0%} by chance); {int((found.best > 0.7).sum())} of {len(found.best)} above 0.7")
        _say(found.check(studio.model, studio.other, studio.pictures, folder=studio.folder / f"{layer} {other_layer} check"))
    return drawings[0]


def kinds(studio: Studio) -> None:
    """Which kinds of units of the first layer recur: printed, not drawn."""
    found = studio.matched(*PAIRS[0])
    stimuli = {"orientation": gratings(31, [1 / 16, 1 / 8, 1 / 4], range(0, 180, 15)), "colour": colours(31)}
    tunings = {name: tuning(studio.model, "conv1_relu", one, normalise=BYTES) for name, one in stimuli.items()}
    told = recurrence(found, kinds_of(studio.model, tunings))
    print(told.to_frame())
    _say(told.check(studio.model, studio.other, studio.pictures, folder=studio.folder / f"{' '.join(PAIRS[0])} check"))


def panel(studio: Studio) -> Drawing:
    """Twelve oriented units in the order of their angles, what matches them, and what matches them in random order."""
    layer, other_layer = PAIRS[1]
    found, stimuli = studio.matched(layer, other_layer), gratings(31, [1 / 16, 1 / 8, 1 / 4], range(0, 180, 15))
    tuned = tuning(studio.model, layer, stimuli, normalise=BYTES)
    verdicts = tuned.check(studio.model, tuned.units)
    oriented = [unit for unit, verdict in zip(tuned.units, verdicts, strict=True) if verdict.holds and found.partner[unit] >= 0]
    best = sorted(oriented, key=lambda unit: -float(found.best[unit]))[:COLUMNS]
    chosen = sorted(best, key=tuned.mean)
    partners = sorted({*found.partner[chosen].tolist(), *found.null_partner[0, chosen].tolist()})
    theirs = tuning(studio.other, other_layer, stimuli, normalise=HALF)
    apart = _apart(tuned, theirs, oriented, found.partner)
    chance = [_apart(tuned, theirs, oriented, one) for one in found.null_partner]
    print(f"median angle between a unit and its partner: {apart:.0f} degrees; in random order {min(chance):.0f} to {max(chance):.0f}")
    for unit in chosen:
        partner, random = int(found.partner[unit]), int(found.null_partner[0, unit])
        print(f"{unit} at {tuned.mean(unit):.0f} degrees: {partner} at {theirs.mean(partner):.0f}, r = {float(found.best[unit]):.2f}; "
              f"by chance {random} at {theirs.mean(random):.0f}, r = {float(found.null_best[0, unit]):.2f}")  # fmt: skip
    print(f"{len(oriented)} of {len(tuned.units)} units of {layer} are tuned to orientation")
    own = _shown(studio, studio.model, layer, chosen, BYTES)
    others = _shown(studio, studio.other, other_layer.removeprefix("relu6."), partners, HALF)  # before the ReLU6, where no answer is cut at 6
    return found.panel(chosen, own, others, labels=[f"{tuned.mean(unit):.0f}°" for unit in chosen])


def _apart(tuned: Tuning, theirs: Tuning, units: list[int], partner: Tensor) -> float:
    """The median angle between units and partners, of half a turn; partners without an angle of their own are left out."""
    pairs = [(tuned.mean(unit), theirs.mean(int(partner[unit]))) for unit in units]
    return median(abs((one - other + 90) % 180 - 90) for one, other in pairs if not math.isnan(other))


def _shown(studio: Studio, model: Model, layer: str, numbers: list[int], means: Normalisation) -> dict[int, Tensor]:
    """What units look for all over a small picture, by number."""
    goals = [Channel(layer, number) for number in numbers]
    found = show(model, goals, of=Fourier(64), normalise=means, steps=STEPS, batch_size=8, folder=studio.folder / f"shown {layer}")
    return dict(zip(numbers, found.pictures, strict=True))


def _say(verdicts: list[Verdict]) -> None:
    for one in verdicts:
        values = "" if one.measured is None or one.interval is None else f"{one.measured:.3f} against {one.control:.3f}, n {one.n}"
        print(f"  {one.holds}: {one.claim} {values} {one.reason}")


DRAWINGS: dict[str, Callable[[Studio], Drawing | None]] = {one.__name__: one for one in (layers, units, kinds, panel)}


def main(data: str, folder: str, *names: str) -> None:
    """Print the figures, and write `docs/images/vision-match-{name}.png` of what is drawn."""
    studio = Studio(Path(data), Path(folder))
    for name in names or DRAWINGS:
        drawing = DRAWINGS[name](studio)
        if drawing is not None:
            photographed({name: drawing}, prefix="vision-match")


if __name__ == "__main__":
    main(*sys.argv[1:])
