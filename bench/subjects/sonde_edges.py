"""The circuits' jobs in sonde, whose graph numbers senders and receivers as `bench.subjects.edges` does."""

import random
from typing import Any

from bench.subjects import edges as e
from bench.subjects import workload as w
from bench.subjects.by_hand import ranking
from bench.subjects.trial import Stratum, Trial

TOGETHER, CALLS = 2, 2  # senders of which all edges into a block are timed in one call, and such calls


def eap(device: str) -> Trial:
    """`sonde.circuits.eap`."""
    from sonde.circuits import eap as attribute

    model, task = _task(device, e.EAP_PAIRS)
    return Trial(lambda: attribute(model, task), lambda found: e.told(found.values))


def eap_ig(device: str) -> Trial:
    """`sonde.circuits.eap_ig`."""
    from sonde.circuits import eap_ig as attribute

    model, task = _task(device, e.EAP_PAIRS)
    return Trial(lambda: attribute(model, task, steps=e.IG_STEPS), lambda found: e.told(found.values))


def acdc(device: str) -> Trial:
    """`sonde.circuits.acdc`, which decides on every edge."""
    from sonde.circuits import acdc as search

    model, task = _task(device, e.EXACT_PAIRS)
    return Trial(lambda: search(model, task, e.THRESHOLD, metric="kl"), lambda found: e.decided(found.circuit.mask), note="all 32,491 decisions")


def exact_edges(device: str) -> Trial:
    """`Rewiring.effects`, which does the edges of some senders into a block together."""
    import torch

    prepare = prepared(device, e.EXACT_PAIRS)
    rewiring = prepare()

    def run(edges: tuple[e.Edge, ...]) -> Any:
        """The mean effects of some edges, in their order; of none what comes before the first of them."""
        if not edges:
            return prepare()
        wanted = torch.zeros_like(rewiring.graph.real)
        wanted[tuple(zip(*edges, strict=True))] = True
        found = torch.zeros(wanted.shape)
        found[wanted] = rewiring.effects(wanted).mean(1).cpu()
        return [found[edge].item() for edge in edges]

    note = f"{TOGETHER * CALLS} senders timed with all their edges into each block"
    return Trial(run, e.told, strata=_calls(), checked=lambda: run(tuple(e.checked())), note=note)


def circuit_eval(device: str) -> Trial:
    """`Rewiring.values` of all sizes."""
    prepare, circuits = prepared(device, e.EVALUATED_PAIRS), e.kept(ranking(device))
    return Trial(lambda: prepare().values(circuits), lambda found: {"sizes": found})


def prepared(device: str, rows: int) -> Any:
    """What makes the pairs ready: a forward of each of their prompts."""
    import sonde
    from sonde.access.edges import Graph, Rewiring, outputs
    from sonde.tasks import LogitDifference

    model, (clean, corrupt) = sonde.load(w.model(device)), e.pairs(rows, device)
    graph = Graph.of(model)
    return lambda: Rewiring(model, graph, clean, outputs(model, graph, corrupt).values, LogitDifference(w.TARGET, w.FOIL))


def _task(device: str, rows: int) -> Any:
    """The model, and a task of the pairs."""
    import sonde
    from sonde.tasks import LogitDifference, Task

    clean, corrupt = (tuple(map(tuple, ids.tolist())) for ids in e.pairs(rows, device))
    answers, wrongs, texts = ((w.TARGET,),) * rows, ((w.FOIL,),) * rows, ("random tokens",) * rows
    return sonde.load(w.model(device)), Task("pairs", clean, corrupt, answers, wrongs, LogitDifference(w.TARGET, w.FOIL), texts, texts)


def _calls() -> tuple[Stratum, ...]:
    """What comes before the first edge; for each block some of the senders before it; the block's own heads; all that the logits read."""
    found = [Stratum(((),), 1), Stratum((tuple(e.into(w.LAYERS)),), 1)]
    for layer in range(w.LAYERS):
        edges, before = e.into(layer), e.before(layer * e.BLOCK)
        senders = random.Random(layer).sample(range(before), min(before, TOGETHER * CALLS))
        calls = [senders[i : i + TOGETHER] for i in range(0, len(senders), TOGETHER)]
        found.append(Stratum(tuple(tuple(edge for edge in edges if edge.sender in call) for call in calls), before / len(senders) * len(calls)))
        found.append(Stratum((tuple(edge for edge in edges if edge.sender >= before),), 1))
    return tuple(found)
