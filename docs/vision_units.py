"""Pages of SqueezeNet's units and layers, as a stranger may open them: what each looks for, when it fires, what it is tuned to, and what it does.

    python docs/vision_units.py DATA FOLDER [UNIT|LAYER ...]

DATA holds `squeezenet_v1.0_dc`, `mobilenet_v2_q` (weights of two ImageNet networks) and `imagenet_samples`. Pages are written to FOLDER, with what
is finished of them in FOLDER/kept, so that what was interrupted goes on. A UNIT is named as `fire4:10`, a LAYER as `conv1_relu`, whose page leads
to those of its units that lie in FOLDER. Without any those two units of each of five layers are taken that stand at a third and at two thirds of its
channels (chosen by number, before any page was seen), and then the first layer. Of `conv1_relu:32` and of layers pictures are written to
`docs/images`, too; that needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import csv
import sys
import time
from pathlib import Path

from photographs import HERE, photographed
from PIL import Image

from sonde import views
from sonde.access import Model
from sonde.vision import Normalisation, atlas, unit_page

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from data_models import nets

BYTES = Normalisation((104.0, 117.0, 123.0), scale=255.0, order="bgr")  # as the network was trained
HALVES = Normalisation((0.5,), (0.5,))
WIDTHS = {"conv1_relu": 96, "fire2": 128, "fire4": 256, "fire6": 384, "fire8": 512}
PICTURED = "conv1_relu:32"
OTHER = {"conv1_relu": "relu6.conv00", "fire2": "relu6.conv07", "fire4": "relu6.conv16", "fire6": "relu6.conv25", "fire8": "relu6.conv37"}
"""Of each layer one of MobileNetV2's at about the same depth."""


def main(data: str, folder: str, *units: str) -> None:
    """Write the pages, and print what each says."""
    place, out = Path(data), Path(folder)
    model = Model(nets.squeezenet(place / "squeezenet_v1.0_dc"), name="SqueezeNet")
    other = Model(nets.mobilenet(place / "mobilenet_v2_q"), name="MobileNetV2")
    with (place / "imagenet_samples" / "class_names.csv").open(newline="", encoding="utf-8") as lines:
        names = [row["class_name"] for row in csv.DictReader(lines)]
    images = place / "imagenet_samples" / "images"
    for unit in units or [*(f"{layer}:{part * width // 3}" for part in (1, 2) for layer, width in WIDTHS.items()), "conv1_relu"]:
        start, layer = time.perf_counter(), unit.rpartition(":")[0]
        if not layer:
            built = {int(file.stem.rpartition("-")[2]): file.name for file in out.glob(f"{unit}-*.html")}
            whole = atlas(model, unit, images, normalise=BYTES, size=224, folder=out / "kept")
            (out / f"{unit}.html").write_text(views.page(whole.document(built)), encoding="utf-8")
            print(f"\n{unit}, {time.perf_counter() - start:.0f} s\n{whole.to_frame()}", flush=True)
            key = unit.replace("_", "-")
            photographed({key: whole.drawing()}, prefix="vision-atlas")
            picture = HERE / f"vision-atlas-{key}.png"
            Image.open(picture).convert("RGB").quantize(64).save(picture, optimize=True)  # 96 pictures of noise pack badly
            continue
        found = unit_page(
            model, unit, images, normalise=BYTES, size=224, classes=names, pixels=112, steps=160, others=6,
            other=other if layer in OTHER else None, other_layer=OTHER.get(layer, ""), other_normalise=HALVES, other_size=224, folder=out / "kept",
        )  # fmt: skip
        document = found.document()
        file = out / f"{unit.replace(':', '-')}.html"
        file.write_text(views.page(document), encoding="utf-8")
        print(f"\n{unit}, {time.perf_counter() - start:.0f} s, {file.stat().st_size / 1e6:.2f} MB", flush=True)
        if unit == PICTURED and found.built is not None:  # neither shows a photograph
            photographed({"sought": found.drawing(), "weights": found.built.drawing(found.unit, found.partners)}, prefix="vision-unit")
        for one in document.sections[0].sentences:
            holds = "" if one.verdict is None else {True: " [holds]", False: " [does not hold]", None: " [not testable]"}[one.verdict.holds]
            print(f"  {one.text}{holds}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
