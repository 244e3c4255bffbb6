"""sonde's trainer of sparse dictionaries."""

from typing import Any

from bench.subjects import dictionaries as d
from bench.subjects.trial import Trial


def sae_topk_step(device: str) -> Trial:
    """`Learner.update` of `TopK`."""
    from sonde.dictionaries.architectures import TopK

    return _step(TopK(k=d.K, size=d.TOPK_SIZE, lr=d.LR, warmup=0.0), d.TOPK_WIDTH)


def sae_l1_step(device: str) -> Trial:
    """`Learner.update` of `ReLU`, its biases set so that the stated number of latents is active, and a rate of 0 so that it stays so."""
    import torch

    trial, learner, x = _relu()
    z = x @ learner.weights["encoder"].T
    share = 1 - d.L1_ACTIVE / d.L1_SIZE
    learner.weights["encoder_bias"] -= z[:256].flatten().kthvalue(int(share * z[:256].numel())).values
    active = float((z + learner.weights["encoder_bias"] > 0).sum(1).float().mean())
    torch.set_num_threads(d.L1_THREADS)
    return Trial(trial.run, resident_mb=trial.resident_mb, note=f"{active:.0f} active")


def sae_l1_dense_step(device: str) -> Trial:
    """The same at the start of a training, where about half of the latents are active."""
    trial, learner, x = _relu()
    active = float((x @ learner.weights["encoder"].T > 0).sum(1).float().mean())
    return Trial(trial.run, resident_mb=trial.resident_mb, note=f"{active:.0f} active")


def _relu() -> tuple[Trial, Any, Any]:
    import torch

    from sonde.dictionaries.architectures import L1, ReLU

    torch.set_num_threads(d.L1_THREADS)
    trial, learner, x = _made(ReLU(size=d.L1_SIZE, sparsity=L1(1.0), normalise="none", lr=0.0, warmup=0.0), d.L1_WIDTH)
    return trial, learner, x


def _step(architecture: Any, width: int) -> Trial:
    return _made(architecture, width)[0]


def _made(architecture: Any, width: int) -> tuple[Trial, Any, Any]:
    from sonde.dictionaries import Part
    from sonde.dictionaries.training import Learner

    given = d.batches(width)
    resident = d.resident_mb()
    parts = (Part("", width),)
    learner = Learner(architecture, 10**12, parts, parts)
    learner.begin(given[0], given[0])
    return Trial(d.in_turn(given, lambda x: learner.update(x, x)), resident_mb=resident), learner, given[0]


def sae_pipeline(device: str) -> Trial:
    """`fit` on a `Live` source: the forward stops after the site, activations are mixed, the dictionary learns."""
    import sonde
    from sonde.dictionaries.architectures import TopK
    from sonde.dictionaries.store import Live
    from sonde.dictionaries.training import Job, fit

    model, texts = sonde.load(d.network()), d.tokens()
    rows = d.PROMPTS * d.CONTEXT
    resident = d.resident_mb()

    def run() -> None:
        source = Live(model, texts, "blocks.0.resid_post", skip=(), sinks=None, buffer=2 * rows)
        fit([Job(TopK(k=d.K, size=d.PIPELINE_SIZE))], source, activations=d.STEPS * rows, batch=rows)

    return Trial(run, resident_mb=resident, note=f"{d.STEPS * rows:,} tokens")
