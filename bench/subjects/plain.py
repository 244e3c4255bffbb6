"""No library: the bare forward, and PyTorch's own hooks as one writes them by hand."""

from typing import Any

from bench.subjects import workload as w
from bench.subjects.plain_dictionaries import sae_l1_dense_step as sae_l1_dense_step
from bench.subjects.plain_dictionaries import sae_l1_step as sae_l1_step
from bench.subjects.plain_dictionaries import sae_pipeline as sae_pipeline
from bench.subjects.plain_dictionaries import sae_topk_step as sae_topk_step
from bench.subjects.plain_edges import acdc as acdc
from bench.subjects.plain_edges import circuit_eval as circuit_eval
from bench.subjects.plain_edges import eap as eap
from bench.subjects.plain_edges import eap_ig as eap_ig
from bench.subjects.plain_edges import exact_edges as exact_edges
from bench.subjects.plain_ekfac import ekfac_fit as ekfac_fit
from bench.subjects.plain_ekfac import ekfac_memory as ekfac_memory
from bench.subjects.plain_ekfac import ekfac_pairwise as ekfac_pairwise
from bench.subjects.plain_ekfac import ekfac_self as ekfac_self
from bench.subjects.plain_erasure import leace as leace
from bench.subjects.plain_lenses import logit_lens as logit_lens
from bench.subjects.plain_lenses import tuned_lens as tuned_lens
from bench.subjects.plain_looking_up import dataset_examples as dataset_examples
from bench.subjects.plain_probes import probes as probes
from bench.subjects.plain_visualising import feature_vis as feature_vis
from bench.subjects.processes import importing
from bench.subjects.trial import Trial


def imports(device: str) -> Trial:
    """An interpreter that does nothing."""
    return importing("pass")


def run_nothing(device: str) -> Trial:
    """One forward."""
    import torch

    model, ids = w.model(device), w.tokens(w.CACHE_ROWS, w.CACHE_POSITIONS, device)

    @torch.no_grad()
    def run() -> Any:
        return model(ids, use_cache=False).logits

    return Trial(run, lambda logits: {"logits": logits})


cache_all = run_nothing


def sweep_residual(device: str) -> Trial:
    """One hooked forward for each cell."""
    return _sweep(device, w.RESIDUAL_CELLS, w.RESIDUAL_TIMES, lambda block: block, lambda cell: (slice(None), cell))


def sweep_heads(device: str) -> Trial:
    """One hooked forward for each cell."""
    return _sweep(
        device, w.HEAD_CELLS, w.HEAD_TIMES, lambda block: block.attn.c_proj, lambda head: (..., slice(head * w.D_HEAD, (head + 1) * w.D_HEAD))
    )


def _sweep(device: str, cells: list[tuple[int, int]], times: int, place: Any, part: Any) -> Trial:
    """Patch a part of what enters one module of a block, one cell in each forward."""
    import torch

    model = w.model(device)
    clean, corrupt = w.pair(device)
    places, kept = [place(block) for block in model.transformer.h], []
    handles = [module.register_forward_pre_hook(lambda module, args: kept.append(args[0].clone())) for module in places]
    with torch.no_grad():
        model(clean, use_cache=False)
    for handle in handles:
        handle.remove()

    @torch.no_grad()
    def run() -> Any:
        found = []
        for layer, cell in cells:

            def patch(module: Any, args: Any, layer: int = layer, cell: int = cell) -> Any:
                new = args[0].clone()
                new[part(cell)] = kept[layer][part(cell)]
                return (new, *args[1:])

            handle = places[layer].register_forward_pre_hook(patch)
            found.append(w.difference(model(corrupt, use_cache=False).logits)[0])
            handle.remove()
        return torch.stack(found)

    return Trial(run, lambda found: {"cells": found}, times=times, note=f"{len(cells)} cells timed, times {times}")


def occlusion(device: str) -> Trial:
    """One forward for each token."""
    import torch

    model, ids = w.model(device), w.tokens(1, w.SWEEP_POSITIONS, device)

    @torch.no_grad()
    def run() -> Any:
        whole, found = w.difference(model(ids, use_cache=False).logits), []
        for i in range(w.SWEEP_POSITIONS):
            replaced = ids.clone()
            replaced[0, i] = w.ABSENT
            found.append(whole - w.difference(model(replaced, use_cache=False).logits))
        return torch.cat(found)

    return Trial(run, lambda found: {"tokens": found})


def grad_heads(device: str) -> Trial:
    """`retain_grad` in hooks and `.backward()`, with weights that ask for gradients, as they do."""
    model, ids = w.model(device, grad=True), w.tokens(1, w.GRAD_POSITIONS, device)

    def run() -> Any:
        kept = []

        def keep(module: Any, args: Any) -> None:
            args[0].retain_grad()
            kept.append(args[0])

        handles = [block.attn.c_proj.register_forward_pre_hook(keep) for block in model.transformer.h]
        logits = model(ids, use_cache=False).logits
        for handle in handles:
            handle.remove()
        model.zero_grad(set_to_none=True)
        w.difference(logits).sum().backward()
        return [z.grad for z in kept]

    return Trial(run, lambda grads: {f"blocks.{i}": grad for i, grad in enumerate(grads)})


def blimp(device: str) -> Trial:
    """A loop over batches of sentences, padded and masked, in the order of the files."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from bench.subjects import blimp as b

    model, tokenizer = AutoModelForCausalLM.from_pretrained(b.folder()).eval().to(device), AutoTokenizer.from_pretrained(b.folder())
    tokenizer.pad_token = tokenizer.eos_token
    chosen = b.pairs(b.SHARE)
    texts = [text for side in (0, 1) for text in (pair[side] for pair in chosen)]

    @torch.no_grad()
    def run() -> Any:
        scores, lengths = [], []
        for i in range(0, len(texts), b.ROWS):
            batch = tokenizer(texts[i : i + b.ROWS], return_tensors="pt", padding=True).to(device)
            told = model(**batch).logits[:, :-1].log_softmax(-1).gather(-1, batch.input_ids[:, 1:, None]).squeeze(-1)
            mask = batch.attention_mask[:, 1:]
            scores.append((told * mask).double().sum(1))
            lengths.append(mask.sum(1))
        return torch.cat(scores).view(2, -1).cpu(), torch.cat(lengths).view(2, -1).cpu()

    return Trial(
        run, lambda found: b.answer(*found), times=b.ALL // b.SHARE, note=f"{b.SHARE} pairs of each paradigm timed, times {b.ALL // b.SHARE}"
    )


def integrated_gradients(device: str) -> Trial:
    """The steps in batches, embeddings given, only the two wanted rows of the unembedding."""
    import numpy as np
    import torch

    model, ids = w.model(device), w.tokens(1, w.SWEEP_POSITIONS, device)
    rows = model.lm_head.weight[[w.TARGET, w.FOIL]]
    embedded, absent = model.transformer.wte(ids), model.transformer.wte(torch.tensor(w.ABSENT, device=device))
    nodes, weights = np.polynomial.legendre.leggauss(w.STEPS)

    def run() -> Any:
        total = torch.zeros_like(embedded)
        for start in range(0, w.STEPS, w.AT_ONCE):
            part = slice(start, start + w.AT_ONCE)
            places = torch.tensor((nodes[part] + 1) / 2, dtype=torch.float32, device=device).view(-1, 1, 1)
            given = (absent + places * (embedded - absent)).requires_grad_()
            last = model.transformer(inputs_embeds=given, use_cache=False).last_hidden_state[:, -1]
            (slope,) = torch.autograd.grad((last @ (rows[0] - rows[1])).sum(), given)
            total += (torch.tensor(weights[part] / 2, dtype=torch.float32, device=device).view(-1, 1, 1) * slope).sum(0)
        return (total * (embedded - absent)).sum(-1)

    return Trial(run, lambda values: {"tokens": values[0]}, note=f"{w.STEPS} steps, {w.AT_ONCE} at once")


def grad_cam(device: str) -> Trial:
    """A forward without a graph up to the last maps, and one with a graph behind them."""
    import torch
    from torch.nn.functional import interpolate

    from bench.subjects import squeezenet

    net, (images, classes) = squeezenet.network(), squeezenet.pictures(device)
    net = net.to(device).requires_grad_(False)
    body, head = net[: list(dict(net.named_children())).index("last")], net[list(dict(net.named_children())).index("last") :]

    def run() -> Any:
        with torch.no_grad():
            maps = body(images)
        maps.requires_grad_()
        (slope,) = torch.autograd.grad(head(maps).gather(1, classes[:, None]).sum(), maps)
        found = (slope.mean((2, 3), keepdim=True) * maps.detach()).sum(1, keepdim=True).relu()
        return interpolate(found, images.shape[2:], mode="bilinear")[:, 0]

    return Trial(run, lambda maps: {"maps": maps})
