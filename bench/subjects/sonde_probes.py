"""sonde's logistic probe."""

from bench.subjects import probing
from bench.subjects.trial import Trial


def probes(device: str) -> Trial:
    """`fit_logistic` with its defaults, which are scikit-learn's penalty and tolerance."""
    from sonde.probing import fit_logistic

    def accuracy(probe, x, y):  # type: ignore[no-untyped-def]
        return float((probe.predict(x) == y).float().mean())

    return probing.every_layer(lambda x, y: fit_logistic(x, y, n_classes=probing.CLASSES), accuracy, "each until the gradient vanishes")
