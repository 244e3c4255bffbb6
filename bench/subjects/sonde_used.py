"""sonde with what the first use of a named site adds: the equations between the sites are held against one forward."""

from bench.subjects import workload as w
from bench.subjects.trial import Trial


def wrap(device: str) -> Trial:
    """`sonde.load` of a module that is in memory, and a run that reads one site of one token."""
    import copy

    import sonde

    model = w.model(device)
    return Trial(
        lambda module: sonde.load(module).run([[0]], read="blocks.0.resid_pre", logits=False),
        before=lambda: copy.deepcopy(model),
        note="with the check of the sites that comes with the first use of one",
    )
