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
from sonde.vision import (
    Channel,
    Class,
    Layer,
    Normalisation,
    Objective,
    Visualisation,
    dream,
    show,
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


class Studio:
    """The network, the pictures to compare with, and where searches are kept."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.data, self.folder = data, folder
        self.model: Model = sonde.load(nets.squeezenet(data / "squeezenet_v1.0_dc"))

    def shown(self, name: str, objectives: Objective | list[Objective], **how: object) -> Visualisation:
        """A search, kept under its name."""
        settings = {"normalise": BYTES, "steps": STEPS, "batch_size": 8} | how
        return show(self.model, objectives, folder=self.folder / name, **settings)  # type: ignore[arg-type]

    def samples(self) -> torch.Tensor:
        """The pictures to compare with, their centres of 227 x 227, as the network takes them."""
        pictures = []
        for file in sorted((self.data / "imagenet_samples" / "images").glob("*.jpg")):
            with Image.open(file) as picture:
                left, top = (picture.size[0] - 227) // 2, (picture.size[1] - 227) // 2
                pixels = np.asarray(picture.convert("RGB").crop((left, top, left + 227, top + 227)), dtype="float32") / 255
            pictures.append(torch.from_numpy(pixels).permute(2, 0, 1))
        return BYTES(torch.stack(pictures))


def units(studio: Studio) -> Drawing:
    """Units of three depths, beside 89 photographs."""
    return studio.shown("units", list(UNITS), dataset=studio.samples()).drawing()


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


DRAWINGS: dict[str, Callable[[Studio], Drawing]] = {one.__name__: one for one in (units, classes, dreamt)}


def main(data: str, folder: str, *names: str) -> None:
    """Write `docs/images/vision-{name}.png` of each."""
    studio = Studio(Path(data), Path(folder))
    for name in names or DRAWINGS:
        photographed({name: DRAWINGS[name](studio)}, prefix="vision")


if __name__ == "__main__":
    main(*sys.argv[1:])
