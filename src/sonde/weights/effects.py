"""Where each head looks in a text, and what that does to the logits: attention and its direct effect, side by side.

What a head adds to the stream at place t is a sum over the places s that it looks at, and the way from there straight to the logits is linear once
the final norm's scale is held at its value (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"). With v_s the head's value, g_t
the gradient of the logit at t with respect to the head's output along the direct path alone:

    effect[t, s] = A[t, s] <v_s, g_t>

in logits of the token that follows at t, less the mean over the vocabulary. A head may look without effect, and have effect where it hardly looks.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model, Run
from sonde.access.direct import direct_only, refuse_indirect
from sonde.results import InputError, Recipe, SiteUnavailable
from sonde.weights.effects_results import HeadEffects

MOST = 2**24  # numbers that are kept
BOUND, BOUND_HALF = 1e-3, 5e-2  # of the largest output of a head: what rounding explains, many times over


@dataclass(frozen=True, eq=False)
class _Raised:
    """At every place the logit of one token over the mean of all, summed: on the direct path each place reads itself alone."""

    wanted: Int[Tensor, " pos"]
    cap: float

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        logits = torch.atanh(run.logits / self.cap) * self.cap if self.cap else run.logits
        told = logits.gather(-1, self.wanted.to(logits.device)[None, :, None])[..., 0]
        return (told - logits.mean(-1)).sum(-1)


def head_effects(model: Model, text: str | list[int], target: str | int | None = None, bos: bool | None = None) -> HeadEffects:
    """Where every head looks in a text, and how much each place that it looks at raises the token that comes next.

    Arguments:
        model: a language model of a known family whose parts are added to one stream (not post-norm).
        text: the text, or its token ids.
        target: the token after the last one; the model's own guess by default.
        bos: as for `Model.run`.

    Returns:
        Attention and effect of every head from each place to each.

    Raises:
        InputError: no text, one too long, or a target that is no single token. SiteUnavailable: a family in which parts do not add up.

    >>> import sonde
    >>> found = head_effects(sonde.load("specimen:words"), "The keys on the cabinet", target=" are")
    >>> found.effects.shape == found.patterns.shape, found.wanted
    (True, ['The', ' keys', ' on', ' the', ' cabinet', ' are'])
    """
    refuse_indirect(model)
    given = [text] if isinstance(text, str) else [list(text)]
    prepared = model.prepare(given, bos)
    if prepared.ids is None or not prepared.ids.numel():
        raise InputError("there is no text: give a sentence, or token ids")
    ids = prepared.ids
    size, layers = ids.shape[1], range(model.n_layers)
    if model.n_layers * model.n_heads * size**2 > MOST:
        raise InputError(
            f"{size} tokens with {model.n_layers * model.n_heads} heads are {model.n_layers * model.n_heads * size**2:,} pairs: give a shorter text"
        )
    sites = [f"blocks.{i}.attn.{name}" for i in layers for name in ("pattern", "v")]
    run = model.run(ids, read=sites)
    wanted = torch.cat([ids[0, 1:].cpu(), torch.tensor([_token(model, target, run)])])
    metric = _Raised(wanted, model.architecture.softcap)
    grads = model.grad(ids, of=metric, at=[f"blocks.{i}.attn.z" for i in layers], edits=direct_only(model))
    patterns, effects = [], []
    for i in layers:
        pattern = run[f"blocks.{i}.attn.pattern"][0].double()
        value = run[f"blocks.{i}.attn.v"][0].double().transpose(0, 1)
        value = value.repeat_interleave(model.n_heads // len(value), 0)
        z, gradient = (one[f"blocks.{i}.attn.z"][0].double().transpose(0, 1) for one in (grads.values, grads))
        _prove(model, i, pattern @ value, z)
        patterns.append(pattern.float().cpu())
        effects.append((pattern * (gradient @ value.mT)).float().cpu())
    return HeadEffects(
        tokens=list(run.tokens[0]) if model.tokenizer is not None else list(map(str, ids[0].tolist())),
        wanted=[str(i) if model.tokenizer is None else model.tokenizer.decode([i]) for i in wanted.tolist()],
        patterns=torch.stack(patterns),
        effects=torch.stack(effects),
        recipe=Recipe.of("sonde.weights.head_effects", {"target": target, "bos": bos}, model_hash=model.hash, inputs=ids.tolist()),
    )


def _token(model: Model, target: str | int | None, run: Run) -> int:
    """The id of the token after the last one."""
    if target is None:
        return int(run.logits[0, -1].argmax())
    if isinstance(target, str):
        if model.tokenizer is None:
            raise InputError(f"{model.name} has no tokenizer: give the target {target!r} as a token id")
        return model.tokenizer.single(target)
    if not 0 <= target < model.architecture.d_vocab:
        raise InputError(f"target={target} is no token: give an id below {model.architecture.d_vocab}")
    return target


def _prove(model: Model, layer: int, made: Tensor, z: Tensor) -> None:
    """Looking times values must be the head's output, or places have no shares in it."""
    off, size = float((made - z).abs().max()), float(z.abs().max())
    if off > (BOUND if model.dtype in ("float32", "float64") else BOUND_HALF) * max(size, 1e-9):
        raise SiteUnavailable(
            f"attention times values is not what the heads of block {layer} of {model.name} write (off by {off:.3g} of {size:.3g}): no place has a "
            "share in it; use sonde.patching"
        )
