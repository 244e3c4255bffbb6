"""scikit-learn, with its defaults, on standardised features."""

from typing import Any

from bench.subjects import probing
from bench.subjects.trial import Trial


def probes(device: str) -> Trial:
    """`LogisticRegression` behind a `StandardScaler`."""
    return probing.every_layer(_fit, lambda model, x, y: float(model.score(x.numpy(), y.numpy())), "stops after 100 steps at the latest, its default")


def _fit(x: Any, y: Any) -> Any:
    import warnings

    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged is told by its accuracy
        return make_pipeline(StandardScaler(), LogisticRegression()).fit(x.numpy(), y.numpy())
