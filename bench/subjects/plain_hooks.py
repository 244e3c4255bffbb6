"""Hooks written by hand that keep everything which the cache job names: what keeping costs at the least."""

from typing import Any

from bench.subjects import workload as w
from bench.subjects.trial import Trial


def cache_all(device: str) -> Trial:
    """One forward under eager attention, the only one that forms patterns."""
    import torch

    model, ids = w.model(device, "eager"), w.tokens(w.CACHE_ROWS, w.CACHE_POSITIONS, device)

    @torch.no_grad()
    def run() -> Any:
        kept: dict[str, Any] = {}
        handles = [handle for i, block in enumerate(model.transformer.h) for handle in hooks(f"blocks.{i}", block, kept)]
        kept["logits"] = model(ids, use_cache=False).logits
        for handle in handles:
            handle.remove()
        return kept

    return Trial(run, lambda kept: kept)


def hooks(name: str, block: Any, kept: dict[str, Any]) -> list[Any]:
    """Handles of the hooks that keep what passes in one block.

    Arguments:
        name: what the names of the sites begin with.
        block: the module.
        kept: where they put it.
    """

    def entering(module: Any, site: str, heads: bool = False) -> Any:
        def hook(module: Any, args: Any, kwargs: Any) -> None:
            value = args[0] if args else next(iter(kwargs.values()))
            kept[f"{name}.{site}"] = value.unflatten(-1, (w.HEADS, w.D_HEAD)) if heads else value

        return module.register_forward_pre_hook(hook, with_kwargs=True)

    def leaving(module: Any, site: str) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            kept[f"{name}.{site}"] = output

        return module.register_forward_hook(hook)

    def attention(module: Any, args: Any, output: Any) -> None:
        kept[f"{name}.attn.pattern"] = output[1]

    def projections(module: Any, args: Any, output: Any) -> None:
        for part, value in zip("qkv", output.split(w.D_MODEL, -1), strict=True):
            kept[f"{name}.attn.{part}"] = value.unflatten(-1, (w.HEADS, w.D_HEAD))

    return [
        entering(block, "resid_pre"),
        block.attn.c_attn.register_forward_hook(projections),
        entering(block.attn.c_proj, "attn.z", heads=True),
        block.attn.register_forward_hook(attention),
        entering(block.ln_2, "resid_mid"),
        leaving(block.mlp.c_fc, "mlp.pre"),
        entering(block.mlp.c_proj, "mlp.post"),
        leaving(block, "resid_post"),
    ]
