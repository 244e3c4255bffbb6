"""sonde with what the first use of a named site adds: the equations between the sites, proved on one forward."""

from bench.subjects import workload as w
from bench.subjects.trial import Trial


def wrap(device: str) -> Trial:
    """`sonde.load` of a module that is in memory, and `Model.prove`."""
    import copy

    import sonde

    model = w.model(device)
    note = "with the proof that otherwise comes at the first use of a named site"
    return Trial(lambda module: sonde.load(module).prove(), before=lambda: copy.deepcopy(model), note=note)
