"""sonde's logistic probe."""

from bench.subjects import probing
from bench.subjects.trial import Trial

TOL = 1e-3


def probes(device: str) -> Trial:
    """`fit_logistic` with scikit-learn's penalty, until no entry of the gradient exceeds .001, which scikit-learn's 100 steps need not reach."""
    from sonde.probing import fit_logistic

    def accuracy(probe, x, y):  # type: ignore[no-untyped-def]
        return float((probe.predict(x) == y).float().mean())

    return probing.every_layer(lambda x, y: fit_logistic(x, y, n_classes=probing.CLASSES, tol=TOL), accuracy, f"until the gradient is below {TOL:g}")
