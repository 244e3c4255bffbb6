"""Language models of no known family: served by module paths, with the residual stream between blocks where a stack can be found.

What the vocabulary can't name is refused with the reason: a mixture of experts has no one MLP, a state-space block no attention. The stack is the
longest list of modules of one class; that each block takes in what the one before gave is held against a forward before it is offered.
"""

import inspect
import re
from typing import Any

from torch import nn

from sonde.access.architectures.base import VOCABULARY, Architecture, Point, Port, SiteSpec, unindexed
from sonde.access.architectures.parts import unembedding
from sonde.access.architectures.transformer import LOGITS, RESID
from sonde.access.views import Whole

EXPERTS = re.compile(r"Experts?$|SparseMoe|MoE$|Moe(Block|Layer)$")
STATES = re.compile(r"Mamba|StateSpace|Rwkv|xLSTM|RecurrentBlock|DeltaNet|ShortConv")
ENDS: tuple[tuple[str, Port], ...] = (("resid_pre", "in"), ("resid_post", "out"))


def is_language_model(module: Any) -> bool:
    """Whether a module takes token ids, as the models of transformers that have a vocabulary do."""
    config = getattr(module, "config", None)
    of_transformers = isinstance(getattr(config, "model_type", None), str) and hasattr(module, "get_output_embeddings")
    return of_transformers and isinstance(getattr(config, "vocab_size", None), int) and not getattr(config, "is_encoder_decoder", False)


def describe(module: Any) -> Architecture:
    """What can be said of a language model of no known family."""
    family, blocks, n = module.config.model_type, *stack(module)
    way_out = f"name the inputs and outputs of its modules instead, such as {(f'{blocks}.0' if blocks else 'lm_head') + ':out'!r}"
    missing = dict.fromkeys(VOCABULARY, f"{_reason(module.get_submodule(blocks))}; {way_out}")
    specs = []
    for i in range(n):
        for name, port in ENDS:
            said = (
                f"hidden state {'entering' if port == 'in' else 'leaving'} the block, a block being found as one of the longest list of like modules"
            )
            specs.append(SiteSpec(f"blocks.{i}.{name}", RESID, Point(f"{blocks}.{i}", port), Whole(), said, i))
    if unembedding(module):
        specs.append(SiteSpec("logits", LOGITS, Point("", "out"), Whole(), "the model's output", n))
    missing = {name: reason for name, reason in missing.items() if name not in {unindexed(spec.name) for spec in specs}}
    call = {"use_cache": False} if "use_cache" in inspect.signature(module.forward).parameters else {}
    return Architecture(
        family, "none", {spec.name: spec for spec in specs}, missing, blocks=blocks, causal=False, call=call, settings={"module": repr(module)},
        n_layers=n, n_ctx=getattr(module.config, "max_position_embeddings", None) or 0, d_vocab=module.config.vocab_size,
    )  # fmt: skip


def stack(module: nn.Module) -> tuple[str, int]:
    """The path and the length of the longest list of modules of one class that lies in no other list; an empty path where there is none."""
    lists = {path: part for path, part in module.named_modules() if isinstance(part, nn.ModuleList)}
    outer = [path for path in lists if not any(path.startswith(f"{other}.") for other in lists)]
    alike = [(len(lists[path]), path) for path in outer if len(lists[path]) > 1 and len({type(m) for m in lists[path]}) == 1]
    n, path = max(alike, default=(0, ""))
    return path, n


def _reason(blocks: nn.Module) -> str:
    classes = [type(part).__name__ for part in blocks.modules()]
    states, experts = (next((name for name in classes if kind.search(name)), "") for kind in (STATES, EXPERTS))
    if states:
        return f"its blocks mix positions by {states}, not (or not only) by attention, which the vocabulary of sites does not describe"
    if experts:
        return f"its MLPs are mixtures of experts ({experts}), which the vocabulary of sites does not describe"
    return "sonde does not know this family"
