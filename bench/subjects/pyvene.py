"""pyvene: an intervenable model for each layer, the source run again in every call, as its tutorials do."""

from typing import Any

from bench.subjects import workload as w
from bench.subjects.processes import importing
from bench.subjects.trial import Trial

# it names no resid_mid and no mlp.pre, and its attention weights never fire on transformers 5
COMPONENTS = {
    "resid_pre": "block_input", "resid_post": "block_output", "attn.q": "query_output", "attn.k": "key_output", "attn.v": "value_output",
    "attn.z": "attention_value_output", "mlp.post": "mlp_activation",
}  # fmt: skip


def imports(device: str) -> Trial:
    """`import pyvene`."""
    return importing("import pyvene")


def wrap(device: str) -> Trial:
    """`IntervenableModel` with one place."""
    import copy

    model = w.model(device)
    return Trial(lambda module: _intervenable(module, 3, "block_input"), before=lambda: copy.deepcopy(model))


def _intervenable(model: Any, layer: int, component: str, **unit: Any) -> Any:
    import pyvene as pv

    place = {"layer": layer, "component": component, "intervention_type": pv.VanillaIntervention, **unit}
    return pv.IntervenableModel(pv.IntervenableConfig([place]), model=model)


def cache_all(device: str) -> Trial:
    """`CollectIntervention` at the components that it has."""
    import pyvene as pv
    import torch

    ids = w.tokens(w.CACHE_ROWS, w.CACHE_POSITIONS, device)
    places = [
        {"layer": i, "component": component, "unit": "pos", "max_number_of_units": w.CACHE_POSITIONS, "intervention_type": pv.CollectIntervention}
        for i in range(w.LAYERS)
        for component in COMPONENTS.values()
    ]
    model = pv.IntervenableModel(pv.IntervenableConfig(places), model=w.model(device, "eager"))
    where = {"base": [[list(range(w.CACHE_POSITIONS))] * w.CACHE_ROWS] * len(places)}

    @torch.no_grad()
    def run() -> Any:
        return model({"input_ids": ids}, unit_locations=where, use_cache=False)

    def answer(found: Any) -> dict[str, Any]:
        (_, collected), output = found
        names = [f"blocks.{i}.{site}" for i in range(w.LAYERS) for site in COMPONENTS]
        return {**dict(zip(names, collected, strict=True)), "logits": output.logits}

    return Trial(run, answer, note=f"{len(COMPONENTS)} of {len(w.CACHED)} kinds of sites")


def sweep_residual(device: str) -> Trial:
    """One call for each cell."""

    def cell(pos: int) -> Any:
        return pos

    return _sweep(device, "block_input", {}, cell, w.RESIDUAL_CELLS, w.RESIDUAL_TIMES)


def sweep_heads(device: str) -> Trial:
    """One call for each cell, all positions of one head."""

    def cell(head: int) -> Any:
        where = [[[[head]], [list(range(w.SWEEP_POSITIONS))]]]
        return where, where

    unit = {"unit": "h.pos", "max_number_of_units": 1}
    return _sweep(device, "head_attention_value_output", unit, cell, w.HEAD_CELLS, w.HEAD_TIMES)


def _sweep(device: str, component: str, unit: dict[str, Any], where: Any, cells: list[tuple[int, int]], times: int) -> Trial:
    import torch

    model = w.model(device)
    clean, corrupt = w.pair(device)

    @torch.no_grad()
    def run() -> Any:
        found = []
        for layer, cell in cells:
            intervenable = _intervenable(model, layer, component, **unit)
            _, output = intervenable({"input_ids": corrupt}, [{"input_ids": clean}], {"sources->base": where(cell)}, use_cache=False)
            found.append(w.difference(output.logits)[0])
        return torch.stack(found)

    return Trial(run, lambda found: {"cells": found}, times=times, note=f"{len(cells)} cells timed, times {times}")
