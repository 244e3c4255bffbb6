"""nnsight: one trace for each forward, values saved in the order of the computation."""

from typing import Any

from bench.subjects import workload as w
from bench.subjects.processes import importing
from bench.subjects.trial import Trial


def imports(device: str) -> Trial:
    """`import nnsight`."""
    return importing("import nnsight")


def wrap(device: str) -> Trial:
    """`NNsight(module)`."""
    import copy

    from nnsight import NNsight

    model = w.model(device)
    return Trial(NNsight, before=lambda: copy.deepcopy(model))


def cache_all(device: str) -> Trial:
    """`.save()` of everything inside one trace."""
    import torch
    from nnsight import NNsight

    model, ids = NNsight(w.model(device, "eager")), w.tokens(w.CACHE_ROWS, w.CACHE_POSITIONS, device)

    @torch.no_grad()
    def run() -> Any:
        with model.trace(ids, use_cache=False):
            kept = {}.save()
            for i in range(12):
                block = model.transformer.h[i]
                kept[f"blocks.{i}.resid_pre"] = block.input
                q, k, v = block.attn.c_attn.output.split(768, -1)
                kept[f"blocks.{i}.attn.q"] = q.unflatten(-1, (12, 64))
                kept[f"blocks.{i}.attn.k"] = k.unflatten(-1, (12, 64))
                kept[f"blocks.{i}.attn.v"] = v.unflatten(-1, (12, 64))
                kept[f"blocks.{i}.attn.z"] = block.attn.c_proj.input.unflatten(-1, (12, 64))
                kept[f"blocks.{i}.attn.pattern"] = block.attn.output[1]
                kept[f"blocks.{i}.resid_mid"] = block.ln_2.input
                kept[f"blocks.{i}.mlp.pre"] = block.mlp.c_fc.output
                kept[f"blocks.{i}.mlp.post"] = block.mlp.c_proj.input
                kept[f"blocks.{i}.resid_post"] = block.output
            kept["logits"] = model.output.logits
        return kept

    return Trial(run, dict)


def grad_heads(device: str) -> Trial:
    """`with metric.backward()` inside one trace."""
    from nnsight import NNsight

    model, ids = NNsight(w.model(device, grad=True)), w.tokens(1, w.GRAD_POSITIONS, device)

    def run() -> Any:
        for weight in model._module.parameters():
            weight.grad = None
        with model.trace(ids, use_cache=False):
            outputs = [model.transformer.h[i].attn.c_proj.input for i in range(12)]
            logits = model.output.logits
            metric = (logits[:, -1, 100] - logits[:, -1, 200]).sum()
            grads = [].save()
            with metric.backward():
                for z in reversed(outputs):
                    grads.append(z.grad)
        return grads

    return Trial(run, lambda grads: {f"blocks.{i}": grad for i, grad in enumerate(reversed(grads))})


def sweep_residual(device: str) -> Trial:
    """One trace for each cell."""
    import torch
    from nnsight import NNsight

    model = NNsight(w.model(device))
    clean, corrupt = w.pair(device)
    with torch.no_grad(), model.trace(clean, use_cache=False):
        kept = [].save()
        for i in range(12):
            kept.append(model.transformer.h[i].input)

    @torch.no_grad()
    def run() -> Any:
        found = []
        for layer, pos in w.RESIDUAL_CELLS:
            with model.trace(corrupt, use_cache=False):
                model.transformer.h[layer].input[:, pos] = kept[layer][:, pos]
                logits = model.lm_head.output[:, -1:].save()
            found.append(w.difference(logits)[0])
        return torch.stack(found)

    return Trial(run, lambda found: {"cells": found}, times=w.RESIDUAL_TIMES, note=f"{len(w.RESIDUAL_CELLS)} cells timed, times {w.RESIDUAL_TIMES}")


def sweep_heads(device: str) -> Trial:
    """One trace for each cell."""
    import torch
    from nnsight import NNsight

    model = NNsight(w.model(device))
    clean, corrupt = w.pair(device)
    with torch.no_grad(), model.trace(clean, use_cache=False):
        kept = [].save()
        for i in range(12):
            kept.append(model.transformer.h[i].attn.c_proj.input)

    @torch.no_grad()
    def run() -> Any:
        found = []
        for layer, head in w.HEAD_CELLS:
            part = slice(head * 64, (head + 1) * 64)
            with model.trace(corrupt, use_cache=False):
                model.transformer.h[layer].attn.c_proj.input[..., part] = kept[layer][..., part]
                logits = model.lm_head.output[:, -1:].save()
            found.append(w.difference(logits)[0])
        return torch.stack(found)

    return Trial(run, lambda found: {"cells": found}, times=w.HEAD_TIMES, note=f"{len(w.HEAD_CELLS)} cells timed, times {w.HEAD_TIMES}")
