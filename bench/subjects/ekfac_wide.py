"""Operations for one sequence in one block as wide as GPT-2 small, counted by PyTorch, the model's own pass included.

python -m bench.subjects.ekfac_wide sonde|kronfluence

prints GFLOP of the eigenvalues and of self-influence as JSON.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from bench.subjects import ekfac as e

WIDTH, HEADS, SEQUENCES = 768, 12, 4


def counted(run: Callable[[], Any]) -> float:
    """Operations of a call, GFLOP for each sequence.

    Arguments:
        run: what is called.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    def in_place(c: Any, a: Any, b: Any, **rest: Any) -> int:  # the counter knows the product that is not in place only
        return int(2 * a[0] * a[1] * b[1])

    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: in_place}) as counter:
        run()
    return counter.get_total_flops() / SEQUENCES / 1e9


def of_sonde(net: Any, ids: Any) -> dict[str, float]:
    """Turned into any orthogonal axes, since how many operations it takes does not depend on which they are."""
    import torch

    from bench.subjects.sonde_ekfac import Foretelling
    from sonde.influence import Curvature, Relative, fit
    from sonde.influence.curvature import Spectrum
    from sonde.influence.fit import Influence
    from sonde.influence.statistics import squares

    found = fit(net, (ids,), Foretelling(), "identity", modules=e.TRACKED[: len(e.MAPS)])
    subject, labels = found.subject, found.curvature.labels
    axes = {size: torch.eye(size) for block in subject.blocks for size in (block.rows, block.cols)}
    spectra = {b.name: Spectrum(torch.ones(b.rows, b.cols), axes[b.cols], axes[b.rows]) for b in subject.blocks}
    known = found.curvature
    given = Curvature("ekfac", labels, spectra, known.model_hash, known.fingerprint, known.loss, known.examples)
    asked = Influence(subject, given, Relative())
    return {"eigenvalues": counted(lambda: squares(subject, labels, given.bases)), "self-influence": counted(asked.self_influence)}


def of_kronfluence(net: Any, ids: Any) -> dict[str, float]:
    """Its own stages."""
    import torch
    from kronfluence.arguments import FactorArguments
    from torch.utils.data import TensorDataset

    from bench.subjects.kronfluence import Analysis

    analysis, train = Analysis(net, e.TRACKED[: len(e.MAPS)]), TensorDataset(ids)
    how = FactorArguments(strategy="ekfac", eigendecomposition_dtype=torch.float32)
    analysis.analyzer.fit_covariance_matrices("wide", train, per_device_batch_size=SEQUENCES, factor_args=how)
    analysis.analyzer.perform_eigendecomposition("wide", factor_args=how)
    eigenvalues = counted(lambda: analysis.analyzer.fit_lambda_matrices("wide", train, per_device_batch_size=SEQUENCES, factor_args=how))
    return {"eigenvalues": eigenvalues, "self-influence": counted(lambda: analysis.own("wide", ids))}


def main(subject: str) -> None:
    """Count and print."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print goes to standard error
    net, ids = e.network(WIDTH, 1, HEADS), e.sequences(SEQUENCES, 1)
    print(json.dumps({"sonde": of_sonde, "kronfluence": of_kronfluence}[subject](net, ids)), file=replies, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
