"""The pictures in the docs on feature visualisation: what units and classes of SqueezeNet look for, and a dream.

    python docs/vision_pictures.py DATA FOLDER [NAME ...]

DATA holds `squeezenet_v1.0_dc` (weights of an ImageNet network) and `imagenet_samples` (pictures, of which shares are told and none is shown).
Finished searches are kept in FOLDER, so that what was interrupted goes on. Names are those of the functions below; all of them by default.

Needs Pillow, Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path). The photograph of the dream is scikit-learn's china.jpg, by
danielbuechele, CC BY 2.0.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from photographs import photographed
from PIL import Image
from sklearn.datasets import load_sample_image

import sonde
from sonde.access import Model
from sonde.results import Drawing
from sonde.results.drawing import picture_grid
from sonde.vision import (
    Channel,
    Class,
    Diversity,
    Fourier,
    Layer,
    Normalisation,
    Objective,
    Pixels,
    Shared,
    Visualisation,
    dream,
    show,
    spectrum,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from data_models import nets

BYTES = Normalisation((104.0, 117.0, 123.0), scale=255.0, order="bgr")  # as the network was trained
STEPS = 128
FEW = 64  # for classes, whose whole network is run
UNITS = [Channel("conv1_relu", 0), Channel("conv1_relu", 20), Channel("conv1_relu", 41), Channel("conv1_relu", 77),
         Channel("fire4", 3), Channel("fire4", 40), Channel("fire4", 77), Channel("fire4", 200),
         Channel("fire8", 5), Channel("fire8", 99), Channel("fire8", 300), Channel("fire8", 402)]  # fmt: skip
CLASSES = [Class(207, "golden retriever"), Class(1, "goldfish"), Class(130, "flamingo"), Class(985, "daisy")]


TEXTURE, PART = Channel("fire4", 77), Channel("fire8", 5)
LINEAR = [Channel("fire4.conv3x3_2", 13), Channel("conv1", 20)]  # before their ReLU, where there is a least
CHECKED = [Channel("conv1_relu", 20), Channel("fire4", 77), Channel("fire8", 5), Channel("fire8", 300)]


class Studio:
    """The network, the pictures to compare with, and where searches are kept."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.data, self.folder = data, folder
        self.photographs = data / "imagenet_samples" / "images"
        self.model: Model = sonde.load(nets.squeezenet(data / "squeezenet_v1.0_dc"))

    def shown(self, name: str, objectives: Objective | list[Objective], **how: object) -> Visualisation:
        """A search, kept under its name."""
        settings = {"normalise": BYTES, "steps": STEPS, "batch_size": 8} | how
        return show(self.model, objectives, folder=self.folder / name, **settings)  # type: ignore[arg-type]


def units(studio: Studio) -> Drawing:
    """Units of three depths, beside 89 photographs."""
    return studio.shown("units", list(UNITS), dataset=studio.photographs).drawing()


def classes(studio: Studio) -> Drawing:
    """Four classes; and whether the pictures hold."""
    found = studio.shown("classes", list(CLASSES), steps=FEW)
    run = studio.model.run(BYTES(found.pictures))
    for one, row in zip(CLASSES, run.logits.softmax(-1), strict=True):
        print(f"{one.name}: probability {float(row[one.number]):.3f}, rank {int((row > row[one.number]).sum()) + 1}")
    return found.drawing()


def dreamt(studio: Studio) -> Drawing:
    """A photograph, and what a layer reads into it."""
    photograph = Image.fromarray(load_sample_image("china.jpg")).resize((384, 256))
    pixels = torch.from_numpy(np.asarray(photograph, dtype="float32") / 255).permute(2, 0, 1)
    found = dream(studio.model, pixels, Layer("fire8"), normalise=BYTES)
    (verdict,) = found.check(studio.model)
    print(f"dream: {found.reached[0]:.4g} to {found.reached[1]:.4g}; {verdict.holds}, {verdict.measured:.4g} against {verdict.control:.4g}")
    return found.drawing()


def made(studio: Studio) -> Drawing:
    """One unit from pixels and from a spectrum, with transforms and without; and how much of each picture's power is in its highest octave."""
    rows = {"pixels": Pixels(), "spectrum": Fourier()}
    cols: dict[str, tuple[()] | None] = {"without transforms": (), "with transforms": None}
    found = {
        (row, col): studio.shown(f"made {row} {col}", TEXTURE, of=of, transforms=transforms, dataset=studio.photographs)
        for row, of in rows.items() for col, transforms in cols.items()
    }  # fmt: skip
    for (row, col), one in found.items():
        print(f"{row}, {col}: {float(one.reached[0]):.4g}, {_highest(one.pictures[0]):.1%} of the power in the highest octave")

    def grid(said: Callable[[Visualisation], object]) -> list[list[object]]:
        return [[said(found[row, col]) for col in cols] for row in rows]

    return picture_grid(
        f"What does {TEXTURE.name} look for?", "objective", grid(lambda one: one.pictures[0]), row_name="made of", rows=list(rows),
        col_name="transforms", cols=list(cols), values=grid(lambda one: float(one.reached[0])),
    )  # fmt: skip


def negative(studio: Studio) -> Drawing:
    """The most and the least of two maps before their ReLU."""
    return studio.shown("negative", [sign for one in LINEAR for sign in (one, -one)]).drawing(columns=4)


def between(studio: Studio) -> Drawing:
    """A row of pictures from one unit to another."""
    return studio.shown("between", spectrum(Channel("fire4", 3), TEXTURE, n=5), of=Shared(Fourier())).drawing()


def diverse(studio: Studio) -> Drawing:
    """Four pictures of one unit, kept apart at its layer; and how alike their Gram matrices are, beside four starts that were not kept apart."""
    found = studio.shown("diverse", PART + 100 * Diversity(PART.layer, 4))
    print("diverse:", [{name: round(value, 3) for name, value in terms.items()} for terms in found.terms])
    alone = studio.shown("alone", PART + 0 * Diversity(PART.layer, 4))
    print("alone:", [{name: round(value, 3) for name, value in terms.items()} for terms in alone.terms])
    return found.drawing()


def shuffled(studio: Studio) -> None:
    """Whether four units' pictures come from what the network learnt: beside pictures sought for shuffled weights."""
    found = studio.shown("shuffled", CHECKED)
    for verdict in found.check(studio.model, draws=4):
        print(f"{verdict.holds}: {verdict.claim} {verdict.measured:.4g} against {verdict.control:.4g}, {verdict.interval}")


def _highest(picture: torch.Tensor) -> float:
    """The share of a picture's power from a quarter of the sampling rate upwards, its means left out."""
    power = torch.fft.fft2(picture - picture.mean((1, 2), keepdim=True)).abs().square().sum(0)
    down, across = (torch.fft.fftfreq(side) for side in picture.shape[1:])
    return float(power[(down[:, None].square() + across.square()).sqrt() >= 0.25].sum() / power.sum())


DRAWINGS: dict[str, Callable[[Studio], Drawing | None]] = {
    one.__name__: one for one in (units, classes, dreamt, made, negative, between, diverse, shuffled)
}


def main(data: str, folder: str, *names: str) -> None:
    """Write `docs/images/vision-{name}.png` of each that is a picture; the last prints figures only."""
    studio = Studio(Path(data), Path(folder))
    for name in names or DRAWINGS:
        if (drawing := DRAWINGS[name](studio)) is not None:
            photographed({name: drawing}, prefix="vision")


if __name__ == "__main__":
    main(*sys.argv[1:])
