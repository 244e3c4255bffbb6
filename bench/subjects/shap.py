"""shap, which explains a function of features."""

from typing import Any

from bench.subjects.games import PLAYERS, QUICK, WHOLE, estimated
from bench.subjects.trial import Trial


def shapley_error(device: str) -> Trial:
    """`KernelExplainer`."""
    return estimated(_shapley, WHOLE)


def shapley_error_quick(device: str) -> Trial:
    """The same for a few games."""
    return estimated(_shapley, QUICK)


def _shapley(net: Any, samples: int, seed: int) -> Any:
    """`KernelExplainer` of one game, without its own choice of features."""
    import numpy as np
    import shap
    import torch

    np.random.seed(seed)  # it draws from the global generator

    def ask(rows: Any) -> Any:
        return net(torch.as_tensor(np.asarray(rows), dtype=torch.float32))[:, 0].numpy()

    explainer = shap.KernelExplainer(ask, np.zeros((1, PLAYERS)))
    return torch.tensor(explainer.shap_values(np.ones((1, PLAYERS)), nsamples=samples, l1_reg=0, silent=True)[0])
