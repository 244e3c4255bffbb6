"""EK-FAC by hand, all in float32 but the eigendecompositions: hooks, a backward pass to the embedding, factors rotated before they are multiplied."""

from typing import Any

from bench.subjects import ekfac as e
from bench.subjects.trial import Trial

SHARE = 0.1  # of each matrix' mean eigenvalue, the damping


class ByHand:
    """The hooks, and what they noted of the last pass.

    Arguments:
        net: whose linear maps.
    """

    def __init__(self, net: Any) -> None:
        self.net, self.a, self.delta = net.requires_grad_(False), {}, {}
        for name in e.TRACKED:
            net.get_submodule(name).register_forward_hook(self._noting(name))

    def _noting(self, name: str) -> Any:
        import torch

        def note(module: Any, args: Any, output: Any) -> None:
            if not name.endswith((".k", ".v")):  # they read what q reads
                self.a[name] = torch.cat([args[0].detach(), args[0].new_ones(*args[0].shape[:-1], 1)], -1)
            output.register_hook(lambda delta: self.delta.__setitem__(name, delta.detach()))

        return note

    def read(self, name: str) -> Any:
        """What a map reads."""
        return self.a[name if not name.endswith((".k", ".v")) else f"{name[:-1]}q"]

    def back(self, ids: Any, sampled: bool) -> None:
        """A forward, and the way back to the embedding."""
        import torch
        from torch.nn.functional import cross_entropy

        entered = []
        handle = self.net.embed.register_forward_hook(lambda module, args, output: entered.append(output.requires_grad_()) or entered[0])
        logits = self.net(ids)
        handle.remove()
        total = (
            cross_entropy(logits[:, :-1].flatten(0, 1), e.drawn(logits).flatten(), reduction="sum") if sampled else e.loss(logits, ids).sum()
        )  # fmt: skip
        torch.autograd.grad(total, entered)

    def fit(self, ids: Any, sampled: bool) -> tuple[Any, Any, Any]:
        """The eigenvectors of both sides, and the mean squares of the gradients in them."""
        import torch

        A, S, Lambda = {}, {}, {}
        for rows in ids.split(e.ROWS):
            self.back(rows, sampled)
            for name in e.TRACKED:
                if name in self.a:
                    flat = self.a[name].flatten(0, 1)
                    A[name] = A.get(name, 0) + flat.T @ flat
                flat = self.delta[name].flatten(0, 1)
                S[name] = S.get(name, 0) + flat.T @ flat
        QA, QS = ({name: torch.linalg.eigh((m / len(ids)).double())[1].float() for name, m in sums.items()} for sums in (A, S))
        for rows in ids.split(e.ROWS):
            self.back(rows, sampled)
            for name, turned in self.turned(QA, QS):
                Lambda[name] = Lambda.get(name, 0) + turned.square_().sum(0) / len(ids)
        return QA, QS, {name: 1 / (found + SHARE * found.mean()) for name, found in Lambda.items()}

    def turned(self, QA: Any, QS: Any) -> Any:
        """Each map's gradients in the eigenvectors."""
        known = {}
        for name in e.TRACKED:
            source = name if name in self.a else f"{name[:-1]}q"
            if source not in known:
                known[source] = self.a[source] @ QA[source]
            yield name, (self.delta[name] @ QS[name]).mT @ known[source]

    def scores(self, fitted: Any, queries: Any, ids: Any) -> Any:
        """Of every sequence for every query."""
        import torch

        QA, QS, inverse = fitted
        self.back(queries, sampled=False)
        V = {}
        for name, turned in self.turned(QA, QS):
            source = name if name in self.a else f"{name[:-1]}q"
            V[name] = (QS[name] @ (turned * inverse[name]) @ QA[source].T).flatten(1)
        found = []
        for rows in ids.split(e.ROWS):
            self.back(rows, sampled=False)
            found.append(sum(V[name] @ (self.delta[name].mT @ self.read(name)).flatten(1).T for name in e.TRACKED))
        return torch.cat(found, 1)

    def own(self, fitted: Any, ids: Any) -> Any:
        """Every sequence's self-influence."""
        import torch

        QA, QS, inverse = fitted
        found = []
        for rows in ids.split(e.ROWS):
            self.back(rows, sampled=False)
            found.append(sum((turned.square_() * inverse[name]).sum((1, 2)) for name, turned in self.turned(QA, QS)))
        return torch.cat(found)


def ekfac_fit(device: str) -> Trial:
    """Second moments, eigenvectors, eigenvalues."""
    net, train = ByHand(e.network().to(device)), e.sequences(e.TRAIN, 1).to(device)
    few, queries = e.sequences(e.CHECKED, 1).to(device), e.sequences(e.ASKED, 2).to(device)
    return Trial(lambda: net.fit(train, sampled=True), e.answer, checked=lambda: net.scores(net.fit(few, sampled=False), queries, few))


def ekfac_self(device: str) -> Trial:
    """Each sequence by itself."""
    net, train, few = ByHand(e.network().to(device)), e.sequences(e.TRAIN, 1).to(device), e.sequences(e.CHECKED, 1).to(device)
    fitted = net.fit(few, sampled=False)
    return Trial(lambda: net.own(fitted, train), e.answer, checked=lambda: net.own(fitted, few))


def ekfac_pairwise(device: str) -> Trial:
    """The queries' matrices against every sequence's."""
    net, train, few = ByHand(e.network().to(device)), e.sequences(e.TRAIN, 1).to(device), e.sequences(e.CHECKED, 1).to(device)
    queries, fitted = e.sequences(e.QUERIES, 2).to(device), net.fit(few, sampled=False)
    return Trial(lambda: net.scores(fitted, queries, train), e.answer, checked=lambda: net.scores(fitted, queries[: e.ASKED], few))


def ekfac_memory(device: str) -> Trial:
    """All of it, one stage after the other."""
    net, train, queries = ByHand(e.network().to(device)), e.sequences(e.MEASURED, 1).to(device), e.sequences(e.QUERIES, 2).to(device)

    def run() -> Any:
        fitted = net.fit(train, sampled=True)
        return net.scores(fitted, queries, train), net.own(fitted, train)

    return Trial(run, e.answer, checked=ekfac_fit(device).checked)
