"""A greedy walk over edges that decides many of them in one pass, each as if it were alone.

Whether an edge is dropped depends on what was dropped before it, so the plain algorithm makes one forward after the other. Here the next decisions
are guessed (all dropped, or as `expected` says), every state that the walk would then pass through is evaluated at once, and the decisions are read
off in order up to the first wrong guess, from where the next wave starts. The guess decides how many states are evaluated in vain, and nothing else.

Two kinds of edges change the metric by exactly nothing and are decided without a state: those into a receiver from which no kept edge leads to the
logits, and those that carry the same as they would intact.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from sonde.access.edges import Graph

FIRST, MOST = 8, 32  # states in the first wave, and in any: more together are no faster


@dataclass(frozen=True)
class Wave:
    """Decisions that were made together.

    Arguments:
        changes: of the metric, by the ablation of each edge in its turn: without it minus with it, the mean over examples; 0 where that is known
            without a forward.
        dropped: what was decided.
        metric: the mean metric of the circuit after the last of them.
        states: how many sets of edges were evaluated, those in vain included.
        width: how many the next wave may evaluate.
    """

    changes: tuple[float, ...]
    dropped: tuple[bool, ...]
    metric: float
    states: int
    width: int


class Walk:
    """A walk over edges, each dropped or kept in its turn.

    Arguments:
        graph: whose edges.
        visits: the edges in order, (sender, receiver).
        drops: whether a change of the metric lets an edge go; no change at all does.
        values: the mean metric of each of some sets of edges.
        metric: that of all edges.
        same: senders whose ablated edges carry what they put out in the unedited run.
        expected: edges that are expected to be kept.
    """

    def __init__(
        self, graph: Graph, visits: Int[Tensor, "edge 2"], drops: Callable[[float], bool],
        values: Callable[[Bool[Tensor, "mask sender receiver"]], list[float]], metric: float, same: Bool[Tensor, " sender"],
        expected: Bool[Tensor, "sender receiver"],
    ):  # fmt: skip
        self.graph, self.visits, self.drops, self.values, self.metric = graph, visits.tolist(), drops, values, metric
        self.same, self.expected = same.tolist(), expected.tolist()
        self.sends, self.reads = graph.sender_step.tolist(), graph.receiver_step.tolist()
        self.kept = graph.real.clone()
        self.place, self.width = 0, FIRST
        self.first_drop = max(self.reads) + 1  # the earliest step at which a receiver has lost an edge

    def waves(self, done: Iterable[Wave] = ()) -> Iterator[Wave]:
        """Wave after wave, until every edge is decided.

        Arguments:
            done: waves of an earlier walk over the same edges, which are taken as they are.
        """
        for wave in done:
            self._take(wave)
        while self.place < len(self.visits):
            wave = self._wave()
            self._take(wave)
            yield wave

    def _take(self, wave: Wave) -> None:
        for dropped in wave.dropped:
            if dropped:
                sender, receiver = self.visits[self.place]
                self.kept[sender, receiver] = False
                self.first_drop = min(self.first_drop, self.reads[receiver])
            self.place += 1
        self.metric, self.width = wave.metric, wave.width

    def _wave(self) -> Wave:
        guesses, states = self._guess()
        found = iter(self.values(torch.stack(states)) if states else [])
        metric, changes, dropped = self.metric, [], []
        for known, guess in guesses:
            value = metric if known else next(found)
            changes.append(value - metric)
            dropped.append(self.drops(value - metric))
            if dropped[-1]:
                metric = value
            if dropped[-1] != guess:
                break
        right = len(dropped) == len(guesses) and dropped[-1] == guesses[-1][1]
        width = min(MOST, 2 * self.width) if right else max(1, self.width // 2)
        return Wave(tuple(changes), tuple(dropped), metric, len(states), width)

    def _guess(self) -> tuple[list[tuple[bool, bool]], list[Tensor]]:
        """For each of the next edges whether its change is known to be nothing, and whether it will be dropped; and the states of the others."""
        kept, live = self.kept.clone(), self.graph.live(self.kept)[1]
        first_drop, alive = self.first_drop, live.tolist()
        guesses: list[tuple[bool, bool]] = []
        states: list[Tensor] = []
        for sender, receiver in self.visits[self.place :]:
            # what is carried is what would be put out, as long as nothing before the sender was dropped
            known = not alive[receiver] or (self.same[sender] and self.sends[sender] < first_drop)
            guess = known or not self.expected[sender][receiver]
            if not known:
                if len(states) == self.width:
                    break
                state = kept.clone()
                state[sender, receiver] = False
                states.append(state)
            guesses.append((known, guess))
            if guess:
                kept[sender, receiver] = False
                first_drop = min(first_drop, self.reads[receiver])
                if alive[receiver] and not (kept[sender] & live).any():
                    live = self.graph.live(kept)[1]  # that was the sender's last way to the logits
                    alive = live.tolist()
        return guesses, states
