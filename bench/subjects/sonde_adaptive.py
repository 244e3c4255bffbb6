"""sonde, integrating as finely as the residual asks for."""

from bench.subjects import workload as w
from bench.subjects.trial import Trial

MOST = 15  # gradients
ROUNDING = 1e-6  # of a sum in float32, as a share of the sizes of what is summed: residuals that differ by less are equal


def integrated_gradients(device: str) -> Trial:
    """`sonde.attribution.integrated_gradients` without a number of steps; refused where it needs more gradients, or leaves more than 50 steps do."""
    import sonde
    from sonde.attribution import integrated_gradients as attribute
    from sonde.tasks import LogitDifference

    model, ids, metric = sonde.load(w.model(device)), w.tokens(1, w.SWEEP_POSITIONS, device), LogitDifference(w.TARGET, w.FOIL)
    ours, fixed = attribute(model, ids, of=metric, baseline=w.ABSENT), attribute(model, ids, of=metric, baseline=w.ABSENT, steps=w.STEPS)
    left, least = float(ours.residual.abs()), float(fixed.residual.abs())
    if ours.evaluations > MOST or left > least + ROUNDING * float(fixed.values.abs().sum()):
        raise ValueError(f"{ours.evaluations} gradients leave {left:.1e}, and {w.STEPS} steps {least:.1e}")
    return Trial(
        lambda: attribute(model, ids, of=metric, baseline=w.ABSENT),
        lambda found: {"tokens": found.values[0]},
        note=f"{ours.evaluations} gradients leave {left:.1e} of {float(fixed.metric - fixed.absent_metric):.2g}, {w.STEPS} steps {least:.1e}",
    )
