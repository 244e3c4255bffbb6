"""The pictures on the page about heads: their names in `words`, and one head's attention beside its effect.

    python docs/head_pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

from photographs import photographed

import sonde

TEXT = "When Mary and John went to the shop, John gave a book to"


def main() -> None:
    """Write `docs/images/drawing-heads.png` and `drawing-effects.png`."""
    model = sonde.load("specimen:words")
    effects = sonde.weights.head_effects(model, TEXT, target=" Mary")
    kinds = {"heads": sonde.weights.label_heads(model).drawing(), "effects": effects.at_place(effects.strongest(1)[0])}
    photographed(kinds)


if __name__ == "__main__":
    main()
