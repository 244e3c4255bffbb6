"""sonde, which always does the whole job."""

import subprocess
import sys
from typing import Any

from bench.subjects import workload as w
from bench.subjects.games import PLAYERS, QUICK, WHOLE, estimated
from bench.subjects.processes import importing
from bench.subjects.sonde_dictionaries import sae_l1_dense_step as sae_l1_dense_step
from bench.subjects.sonde_dictionaries import sae_l1_step as sae_l1_step
from bench.subjects.sonde_dictionaries import sae_pipeline as sae_pipeline
from bench.subjects.sonde_dictionaries import sae_topk_step as sae_topk_step
from bench.subjects.sonde_edges import acdc as acdc
from bench.subjects.sonde_edges import circuit_eval as circuit_eval
from bench.subjects.sonde_edges import eap as eap
from bench.subjects.sonde_edges import eap_ig as eap_ig
from bench.subjects.sonde_edges import exact_edges as exact_edges
from bench.subjects.sonde_ekfac import ekfac_fit as ekfac_fit
from bench.subjects.sonde_ekfac import ekfac_memory as ekfac_memory
from bench.subjects.sonde_ekfac import ekfac_pairwise as ekfac_pairwise
from bench.subjects.sonde_ekfac import ekfac_self as ekfac_self
from bench.subjects.sonde_erasure import leace as leace
from bench.subjects.sonde_lenses import logit_lens as logit_lens
from bench.subjects.sonde_lenses import tuned_lens as tuned_lens
from bench.subjects.sonde_looking_up import dataset_examples as dataset_examples
from bench.subjects.sonde_probes import probes as probes
from bench.subjects.sonde_visualising import feature_vis as feature_vis
from bench.subjects.trial import Trial


def imports(device: str) -> Trial:
    """`import sonde`; refused where that imports torch."""
    light("sonde")
    return importing("import sonde")


def light(module: str) -> None:
    """Raise where a module pulls in torch."""
    subprocess.run([sys.executable, "-c", f"import sys, {module}; sys.exit('torch' in sys.modules and '{module} imports torch')"], check=True)


def wrap(device: str) -> Trial:
    """`sonde.load` of a module that is in memory."""
    import copy

    import sonde

    model = w.model(device)
    return Trial(sonde.load, before=lambda: copy.deepcopy(model))


def run_nothing(device: str) -> Trial:
    """`Model.run` that reads nothing and keeps the logits."""
    import sonde

    model, ids = sonde.load(w.model(device)), w.tokens(w.CACHE_ROWS, w.CACHE_POSITIONS, device)
    return Trial(lambda: model.run(ids), lambda run: {"logits": run.logits})


def cache_all(device: str) -> Trial:
    """`Model.run` that reads all the sites of the job."""
    import sonde

    model, ids = sonde.load(w.model(device)), w.tokens(w.CACHE_ROWS, w.CACHE_POSITIONS, device)
    read = [f"blocks.*.{site}" for site in w.CACHED]
    return Trial(lambda: model.run(ids, read=read), lambda run: {**dict(run), "logits": run.logits})


def grad_heads(device: str) -> Trial:
    """`Model.grad` at every head's output."""
    import sonde
    from sonde.tasks import LogitDifference

    model, ids = sonde.load(w.model(device, grad=True)), w.tokens(1, w.GRAD_POSITIONS, device)
    metric = LogitDifference(w.TARGET, w.FOIL)
    return Trial(
        lambda: model.grad(ids, of=metric, at="blocks.*.attn.z"),
        lambda grads: {f"blocks.{i}": grads[f"blocks.{i}.attn.z"].flatten(-2) for i in range(w.LAYERS)},
    )


def occlusion(device: str) -> Trial:
    """The method, on tokens without a tokenizer."""
    import sonde
    from sonde.tasks import LogitDifference

    model, ids, metric = sonde.load(w.model(device)), w.tokens(1, w.SWEEP_POSITIONS, device), LogitDifference(w.TARGET, w.FOIL)
    return Trial(lambda: sonde.attribution.occlusion(model, ids, metric, baseline=w.ABSENT), lambda found: {"tokens": found.values[0]})


def sweep_residual(device: str) -> Trial:
    """Every layer and position."""
    return _sweep(device, "resid_pre", "pos", w.SWEEP_POSITIONS, w.RESIDUAL_CELLS)


def sweep_heads(device: str) -> Trial:
    """Every layer and head."""
    return _sweep(device, "attn.z", "head", w.HEADS, w.HEAD_CELLS)


def _sweep(device: str, site: str, axis: str, n: int, checked: list[tuple[int, int]]) -> Trial:
    import sonde
    from sonde.tasks import LogitDifference

    model, metric = sonde.load(w.model(device)), LogitDifference(w.TARGET, w.FOIL)
    clean, corrupt = w.pair(device)
    source = model.run(clean, read=f"blocks.*.{site}", logits=False)

    def run() -> Any:
        edits = [sonde.Patch(place, source) for place in model.sites(f"blocks.*.{site}").each(**{axis: range(n)})]
        return model.sweep(corrupt, edits, metric=metric)

    return Trial(run, lambda sweep: {"cells": sweep.values[[layer * n + cell for layer, cell in checked], 0]}, note=f"all {w.LAYERS * n} cells")


def shapley_error(device: str) -> Trial:
    """`kernel_shap`."""
    return estimated(_shapley, WHOLE)


def shapley_error_quick(device: str) -> Trial:
    """The same for a few games."""
    return estimated(_shapley, QUICK)


def _shapley(net: Any, samples: int, seed: int) -> Any:
    import torch

    import sonde
    from sonde.tasks import Logit

    found = sonde.attribution.kernel_shap(sonde.load(net), torch.ones(1, PLAYERS), Logit(0), baseline="zero", samples=samples, seed=seed)
    return found.values[0]


def blimp(device: str) -> Trial:
    """`sentence_scores` of both sentences of every pair."""
    import torch

    import sonde
    from bench.subjects import blimp as b
    from sonde.behaviour import sentence_scores

    model, chosen = sonde.load(b.folder(), device=device), b.pairs(b.ALL)
    texts = [text for side in (0, 1) for text in (pair[side] for pair in chosen)]

    def answer(scores: Any) -> dict[str, Any]:
        first = [k for k in range(len(chosen)) if k % b.ALL < b.SHARE]  # every paradigm has as many
        lengths = torch.tensor([[len(model.tokenizer.encode(chosen[k][side])) - 1 for k in first] for side in (0, 1)])
        return b.answer(scores.view(2, -1)[:, first], lengths)

    return Trial(lambda: sentence_scores(model, texts), answer, note=f"all {len(chosen):,} pairs")


def integrated_gradients(device: str) -> Trial:
    """`sonde.attribution.integrated_gradients` with a number of steps."""
    import sonde
    from sonde.attribution import integrated_gradients as attribute
    from sonde.tasks import LogitDifference

    model, ids, metric = sonde.load(w.model(device)), w.tokens(1, w.SWEEP_POSITIONS, device), LogitDifference(w.TARGET, w.FOIL)
    return Trial(lambda: attribute(model, ids, of=metric, baseline=w.ABSENT, steps=w.STEPS), lambda found: {"tokens": found.values[0]})


def grad_cam(device: str) -> Trial:
    """`sonde.attribution.grad_cam` at the last maps."""
    import sonde
    from bench.subjects import squeezenet
    from sonde.attribution import grad_cam as attribute
    from sonde.tasks import Logit

    model, (images, classes) = sonde.load(squeezenet.network().to(device)), squeezenet.pictures(device)
    return Trial(lambda: attribute(model, images, of=Logit(classes), at="classes:out"), lambda found: {"maps": found.values})
