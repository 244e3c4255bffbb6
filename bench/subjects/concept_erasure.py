"""concept-erasure, by its documented call."""

from typing import Any

from bench.subjects import erasure as e
from bench.subjects.trial import Trial


def leace(device: str) -> Trial:
    """`LeaceEraser.fit` with what it does by default."""
    from concept_erasure import LeaceEraser

    x, classes = e.activations()

    def answer(eraser: LeaceEraser) -> dict[str, Any]:
        # what the fit left, not what float32 rounds when it is applied
        assert eraser.bias is not None
        return e.residual(x, classes, LeaceEraser(eraser.proj_left.double(), eraser.proj_right.double(), eraser.bias.double()))

    return Trial(lambda: LeaceEraser.fit(x, classes), answer, note="in float32, all rows at once")
