"""TransformerLens: the bridge around a model that is in memory, and its own patching helpers."""

import atexit
import functools
import tempfile
from typing import Any

from bench.subjects import edges as e
from bench.subjects import workload as w
from bench.subjects.processes import importing
from bench.subjects.trial import Trial

NAMES = {
    "resid_pre": "hook_resid_pre", "resid_mid": "hook_resid_mid", "resid_post": "hook_resid_post", "attn.q": "attn.hook_q", "attn.k": "attn.hook_k",
    "attn.v": "attn.hook_v", "attn.z": "attn.hook_z", "attn.pattern": "attn.hook_pattern", "mlp.pre": "mlp.hook_pre", "mlp.post": "mlp.hook_post",
}  # fmt: skip


@functools.cache
def _tokenizer() -> Any:
    """Its folder is read again at every boot, so it stays until the process ends."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return w.tokenizer(folder.name)


def _boot(model: Any, device: str) -> Any:
    from transformer_lens.model_bridge import TransformerBridge

    return TransformerBridge.boot_transformers("gpt2", hf_model=model, tokenizer=_tokenizer(), device=device)


def _loaded(device: str, grad: bool = False) -> Any:
    return _boot(w.model(device, "eager", grad), device).eval().requires_grad_(grad)


def imports(device: str) -> Trial:
    """`import transformer_lens`."""
    return importing("import transformer_lens")


def wrap(device: str) -> Trial:
    """`TransformerBridge.boot_transformers(hf_model=module)`."""
    import copy

    model = w.model(device, "eager")
    _tokenizer()
    return Trial(lambda module: _boot(module, device), before=lambda: copy.deepcopy(model))


def cache_all(device: str) -> Trial:
    """`run_with_cache` with a filter of names."""
    import torch

    bridge, ids = _loaded(device), w.tokens(w.CACHE_ROWS, w.CACHE_POSITIONS, device)
    wanted = {f"blocks.{i}.{theirs}": f"blocks.{i}.{ours}" for i in range(w.LAYERS) for ours, theirs in NAMES.items()}

    @torch.no_grad()
    def run() -> Any:
        return bridge.run_with_cache(ids, names_filter=lambda name: name in wanted)

    def answer(found: Any) -> dict[str, Any]:
        logits, cache = found
        return {**{ours: cache[theirs] for theirs, ours in wanted.items()}, "logits": logits}

    return Trial(run, answer)


def grad_heads(device: str) -> Trial:
    """Backward hooks on `hook_z`."""
    bridge, ids = _loaded(device, grad=True), w.tokens(1, w.GRAD_POSITIONS, device)
    names = [f"blocks.{i}.attn.hook_z" for i in range(w.LAYERS)]

    def run() -> Any:
        grads: list[Any] = []  # from the last block to the first

        def keep(grad: Any, hook: Any) -> None:
            grads.append(grad.detach())

        bridge.zero_grad(set_to_none=True)
        with bridge.hooks(bwd_hooks=[(name, keep) for name in names]):
            w.difference(bridge(ids)).sum().backward()
        return grads

    return Trial(run, lambda grads: {f"blocks.{i}": grad for i, grad in enumerate(reversed(grads))})


def eap(device: str) -> Trial:
    """`attribution_patch` of edges: it takes slopes in the corrupted run, so the two prompts of a pair change places; positions are added up."""
    import torch
    from transformer_lens.tools.analysis.attribution_patching import EdgeAttributionConfig, attribution_patch

    bridge = _loaded(device, grad=True)
    clean, corrupt = e.pairs(e.EAP_PAIRS, device)

    def run() -> Any:
        return attribution_patch(bridge, corrupt, clean, lambda logits: w.difference(logits)[0], EdgeAttributionConfig(granularity="edge"))

    def answer(found: Any) -> dict[str, Any]:
        scores = torch.zeros(e.SENDERS, e.RECEIVERS)
        for (writer, reader), score in found.edge_scores.items():
            scores[_sender(writer), _receiver(reader)] += score
        return e.told(scores)

    return Trial(run, answer, note="one pair at a time, an entry for each edge and position")


def _sender(node: Any) -> int:
    if node.kind == "embed":
        return 0
    return 1 + node.layer * (w.HEADS + 1) + (w.HEADS if node.kind == "mlp_out" else node.head)


def _receiver(node: Any) -> int:
    if node.kind == "logits":
        return e.RECEIVERS - 1
    kinds = ("q_input", "k_input", "v_input", "mlp_in")
    return node.layer * e.BLOCK + kinds.index(node.kind) * w.HEADS + (node.head or 0)


def sweep_residual(device: str) -> Trial:
    """`patching.get_act_patch_resid_pre`, restricted to some cells by its `index_df`."""
    return _sweep(device, "get_act_patch_resid_pre", "hook_resid_pre", "pos", w.RESIDUAL_CELLS, w.RESIDUAL_TIMES)


def sweep_heads(device: str) -> Trial:
    """`patching.get_act_patch_attn_head_out_all_pos`, restricted likewise."""
    return _sweep(device, "get_act_patch_attn_head_out_all_pos", "hook_z", "head", w.HEAD_CELLS, w.HEAD_TIMES)


def _sweep(device: str, helper: str, kept: str, axis: str, cells: list[tuple[int, int]], times: int) -> Trial:
    import pandas as pd
    import torch
    from transformer_lens import patching

    bridge = _loaded(device)
    clean, corrupt = w.pair(device)
    with torch.no_grad():
        _, cache = bridge.run_with_cache(clean, names_filter=lambda name: name.endswith(kept))
    index = pd.DataFrame(cells, columns=["layer", axis])

    @torch.no_grad()
    def run() -> Any:
        return getattr(patching, helper)(bridge, corrupt, cache, lambda logits: w.difference(logits)[0], index_axis_names=None, index_df=index)

    return Trial(run, lambda found: {"cells": found}, times=times, note=f"{len(cells)} cells timed, times {times}")
