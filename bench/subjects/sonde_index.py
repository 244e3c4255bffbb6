"""sonde with the training gradients kept: what the next queries cost."""

from bench.subjects import ekfac as e
from bench.subjects.sonde_ekfac import asked_of, fitted
from bench.subjects.trial import Trial

AXES = (128, 128)  # of activations and of output gradients in each block


def ekfac_pairwise(device: str) -> Trial:
    """`Index.scores`; what is compared comes from an index of all axes, and the score is the mean rank correlation with whole scores."""
    import torch

    from sonde.evidence import spearman

    net, train, queries = e.network().to(device), e.sequences(e.TRAIN, 1).to(device), e.sequences(e.QUERIES, 2).to(device)
    few, _ = asked_of(net, train, e.sequences(e.CHECKED, 1).to(device))
    index = fitted(net, train, "sampled").index(k=AXES)
    agreement = spearman(index.scores((queries,)).values, index.influence.scores((queries,)).values).mean()
    whole = few.index(k=None, dtype=torch.float32)
    return Trial(
        lambda: index.scores((queries,)).values, e.answer, checked=lambda: whole.scores((queries[: e.ASKED],)).values, score=float(agreement),
        note=f"{AXES[0]} x {AXES[1]} axes a block, {index.bytes / 1e6:.0f} MB; rank correlation {float(agreement):.3f} with whole scores",
    )  # fmt: skip
