"""sonde's LEACE."""

from bench.subjects import erasure as e
from bench.subjects.trial import Trial


def leace(device: str) -> Trial:
    """`LeaceSums`, which takes the activations in as a stream."""
    from sonde.probing import Eraser, LeaceSums

    x, classes = e.activations()

    def run() -> Eraser:
        sums = LeaceSums(e.WIDTH, 2)
        for rows, own in zip(x.split(e.STREAM), classes.split(e.STREAM), strict=True):
            sums.update(rows, own)
        return sums.leace()

    return Trial(run, lambda eraser: e.residual(x, classes, eraser), note=f"in float64, {e.STREAM:,} rows at a time")
