"""The circuits' jobs by hand."""

from typing import Any

from bench.subjects import edges as e
from bench.subjects.by_hand import ByHand, ranking
from bench.subjects.trial import Trial

SAMPLED = 1  # edges of each block that are timed


def eap(device: str) -> Trial:
    """A forward of the partners, a forward and a backward of the clean prompts without gradients of weights, and the products of the two."""
    hand = ByHand(device)
    clean, corrupt = e.pairs(e.EAP_PAIRS, device)
    return Trial(lambda: hand.scores(hand.embedded(clean), hand.outputs(corrupt)), e.told)


def eap_ig(device: str) -> Trial:
    """The same with the mean slope of several inputs on the way to the partner, at the middle of each step."""
    import torch

    hand = ByHand(device)
    clean, corrupt = e.pairs(e.EAP_PAIRS, device)
    ends = hand.embedded(clean), hand.embedded(corrupt)
    places = [(step + 0.5) / e.IG_STEPS for step in range(e.IG_STEPS)]

    def run() -> Any:
        carried, own = hand.outputs(corrupt), hand.outputs(clean)
        return sum(hand.scores(torch.lerp(*ends, place), carried, own) for place in places) / e.IG_STEPS

    return Trial(run, e.told)


def exact_edges(device: str) -> Trial:
    """A whole forward for each edge."""
    import torch

    hand = ByHand(device)
    clean, corrupt = e.pairs(e.EXACT_PAIRS, device)
    carried, base = hand.outputs(corrupt), hand.metric(hand.outputs(clean).sum(0))

    def run(edge: e.Edge) -> Any:
        kept = torch.ones(e.SENDERS, e.RECEIVERS, dtype=torch.bool, device=device)
        kept[edge] = False
        return (hand.metric(hand.rewired(clean, carried, kept)) - base).mean()

    return Trial(run, e.told, strata=e.strata(SAMPLED), checked=lambda: [run(edge) for edge in e.checked()], note=e.note(SAMPLED))


def acdc(device: str) -> Trial:
    """A whole forward for each decision."""
    import torch

    hand = ByHand(device)
    clean, corrupt = e.pairs(e.EXACT_PAIRS, device)
    carried, base = hand.outputs(corrupt), hand.log_probabilities(hand.outputs(clean).sum(0))

    def decide(edges: list[e.Edge]) -> Any:
        kept = torch.ones(e.SENDERS, e.RECEIVERS, dtype=torch.bool, device=device)
        lost = 0.0
        for edge in edges:
            kept[edge] = False
            told = hand.log_probabilities(hand.rewired(clean, carried, kept))
            now = (base.exp() * (base - told)).sum(-1).mean().item()
            if now - lost < e.THRESHOLD:
                lost = now
            else:
                kept[edge] = True
        return kept

    return Trial(lambda edge: decide([edge]), e.decided, strata=e.strata(SAMPLED), checked=lambda: decide(e.first_decisions()), note=e.note(SAMPLED))


def circuit_eval(device: str) -> Trial:
    """A forward of the partners, and one for each size."""
    import torch

    hand = ByHand(device)
    clean, corrupt = e.pairs(e.EVALUATED_PAIRS, device)
    circuits = e.kept(ranking(device))

    def run() -> Any:
        carried = hand.outputs(corrupt)
        return torch.stack([hand.metric(hand.rewired(clean, carried, kept)) for kept in circuits])

    return Trial(run, lambda found: {"sizes": found})
