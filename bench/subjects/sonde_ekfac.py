"""sonde's influence functions on the transformer of the job, a plain module with a loss that the user gives."""

from collections.abc import Iterator, Sequence
from typing import Any

from bench.subjects import ekfac as e
from bench.subjects.trial import Trial


class Foretelling:
    """The loss of a sequence, and the distribution that it stands for."""

    def __call__(self, module: Any, batch: Any) -> Any:
        """The losses."""
        return self.of(self.outputs(module, batch), batch)

    def outputs(self, module: Any, batch: Any) -> Any:
        """The logits."""
        return module(batch[0])

    def of(self, outputs: Any, batch: Any) -> Any:
        """The losses, from the logits."""
        return e.loss(outputs, batch[0])

    def sampled(self, outputs: Any, batch: Any, generators: Sequence[Any]) -> Any:
        """p - onehot(y) for drawn tokens y, at all places but the last."""
        import torch

        p = outputs.detach().softmax(-1)
        draws = torch.stack([torch.rand(p.shape[1], generator=g) for g in generators])[..., None]
        y = (p.cumsum(-1) < draws.to(p)).sum(-1, keepdim=True).clamp(max=p.shape[-1] - 1)
        p = p.scatter_add(-1, y, -torch.ones_like(p[..., :1]))
        p[:, -1] = 0
        return p

    def exact(self, outputs: Any, batch: Any) -> Iterator[Any]:
        """Too many."""
        raise NotImplementedError

    def curved(self, outputs: Any, batch: Any, direction: Any) -> Any:
        """Not asked for."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return "the tokens that follow"


def fitted(net: Any, ids: Any, labels: str) -> Any:
    """`sonde.influence.fit` of the blocks' linear maps, all else by default."""
    from sonde.influence import fit

    return fit(net, (ids,), Foretelling(), modules=e.TRACKED, labels=labels)


def ekfac_fit(device: str) -> Trial:
    """`fit`."""
    net, train = e.network().to(device), e.sequences(e.TRAIN, 1).to(device)
    few, queries = e.sequences(e.CHECKED, 1).to(device), e.sequences(e.ASKED, 2).to(device)
    return Trial(lambda: fitted(net, train, "sampled"), e.answer, checked=lambda: fitted(net, few, "empirical").scores((queries,)).values)


def asked_of(net: Any, train: Any, few: Any) -> Any:
    """The whole training set, with the curvature of a few sequences: what scores cost does not depend on what was fitted."""
    from dataclasses import replace

    from sonde.influence import fit

    found, whole = fitted(net, few, "empirical"), fit(net, (train,), Foretelling(), "identity", modules=e.TRACKED)
    given = replace(found.curvature, fingerprint=whole.subject.examples.fingerprint)
    return found, fit(net, (train,), Foretelling(), modules=e.TRACKED, fitted=given)


def ekfac_self(device: str) -> Trial:
    """`self_influence`."""
    few, whole = asked_of(e.network().to(device), e.sequences(e.TRAIN, 1).to(device), e.sequences(e.CHECKED, 1).to(device))
    return Trial(lambda: whole.self_influence().values, e.answer, checked=lambda: few.self_influence().values)


def ekfac_pairwise(device: str) -> Trial:
    """`scores`."""
    few, whole = asked_of(e.network().to(device), e.sequences(e.TRAIN, 1).to(device), e.sequences(e.CHECKED, 1).to(device))
    queries = e.sequences(e.QUERIES, 2).to(device)
    return Trial(lambda: whole.scores((queries,)).values, e.answer, checked=lambda: few.scores((queries[: e.ASKED],)).values)


def ekfac_memory(device: str) -> Trial:
    """All of it, one stage after the other."""
    net, train, queries = e.network().to(device), e.sequences(e.MEASURED, 1).to(device), e.sequences(e.QUERIES, 2).to(device)

    def run() -> Any:
        found = fitted(net, train, "sampled")
        return found.scores((queries,)).values, found.self_influence().values

    return Trial(run, e.answer, checked=ekfac_fit(device).checked)
