"""Programs written into weights: networks whose circuit is known by construction, for each kind of ablation.

Each is a function of a seed that returns a `Compiled`; `names` lists them and `build` makes one by its name.
"""

from collections.abc import Callable

from sonde.results import LoadError, shown
from sonde.specimens.compiled.ablation import Ablation
from sonde.specimens.compiled.copying import induction, reverse
from sonde.specimens.compiled.counting import fraction_of_previous
from sonde.specimens.compiled.gates import and_gate, or_gate, saturated_gate
from sonde.specimens.compiled.graph import KINDS, MLP, Circuit, Edge, Head, Kind, component, edges, receivers
from sonde.specimens.compiled.naming import backup, dead_edges, negative_head
from sonde.specimens.compiled.planted import planted
from sonde.specimens.compiled.program import Compiled

__all__ = [
    "KINDS",
    "MLP",
    "Ablation",
    "Circuit",
    "Compiled",
    "Edge",
    "Head",
    "Kind",
    "and_gate",
    "backup",
    "build",
    "component",
    "dead_edges",
    "edges",
    "fraction_of_previous",
    "induction",
    "names",
    "negative_head",
    "or_gate",
    "planted",
    "receivers",
    "reverse",
    "saturated_gate",
]

_PROGRAMS: dict[str, Callable[..., Compiled]] = {
    "induction": induction,
    "fraction_of_previous": fraction_of_previous,
    "reverse": reverse,
    "or_gate": or_gate,
    "backup": backup,
    "and_gate": and_gate,
    "negative_head": negative_head,
    "saturated_gate": saturated_gate,
    "dead_edges": dead_edges,
}


def names() -> list[str]:
    """The programs.

    >>> names()[:3]
    ['induction', 'fraction_of_previous', 'reverse']
    """
    return list(_PROGRAMS)


def build(name: str, seed: int = 0) -> Compiled:
    """Write a program into a network.

    Arguments:
        name: one of `names()`.
        seed: which heads are the written ones, and the weights that do nothing.

    Raises:
        LoadError: there is no such program.

    >>> program = build("or_gate")
    >>> program.summary
    'yes if "red" or "blue" was said'
    """
    if name not in _PROGRAMS:
        raise LoadError(f"there is no program {shown(name)}: choose from {', '.join(_PROGRAMS)}")
    return _PROGRAMS[name](seed=seed)
