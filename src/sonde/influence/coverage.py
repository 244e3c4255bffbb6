"""Which weights are looked at, proved on an example, and which are not, each with its reason.

Of every block the gradient that its calls tell of is held against torch's own gradient for the weight, once, on one example. Where they differ, the
weights are used in another way too (functionally, or by another module that shares them), and the block is not offered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from sonde.access import Model
from sonde.access.uses import Use, watching
from sonde.influence.blocks import Block, as_matrix, kind_of, refusal, trace, weights_of
from sonde.influence.examples import Examples
from sonde.influence.losses import Loss
from sonde.results import InputError, SiteUnavailable, shown

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-2}  # of the gradient's norm
HALF = 0.2  # the same in half precision


@dataclass(frozen=True)
class Coverage:
    """The blocks that are looked at, and what is left out.

    Arguments:
        blocks: in the order of the model's modules.
        left_out: the names of weights that are not looked at, with the reason.
        notes: what else is to be said.
        total: how many weights the model has.
    """

    blocks: tuple[Block, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    total: int = 0

    @property
    def weights(self) -> int:
        """How many weights are looked at."""
        return sum(block.size for block in self.blocks)

    def __str__(self) -> str:
        lines = [f"{self.weights:,} of {self.total:,} weights in {len(self.blocks)} blocks"]
        return "\n".join(
            [*lines, *(f"  left out: {name}: {reason}" for name, reason in self.left_out.items()), *(f"  {note}" for note in self.notes)]
        )


def coverage(model: Model, examples: Examples, loss: Loss, modules: str | Sequence[str] | None = None) -> Coverage:
    """Find the blocks of weights, and prove them on an example.

    Arguments:
        model: whose weights.
        examples: of its training.
        loss: of an example.
        modules: paths or globs of modules; by default those inside the blocks of a language model, and all of another network.

    Raises:
        InputError: nothing that can be looked at; a module named by its whole path that can't be; a loss that is not one number per example, or that
            depends on other examples.
    """
    chosen, left_out, notes = _chosen(model, modules)
    groups = _groups(model.module, chosen, notes)
    exact = {modules} if isinstance(modules, str) else set(modules or ())
    for name in list(groups):
        if reason := refusal(model.module.get_submodule(name)):
            left_out[name] = reason
            del groups[name]
    _refuse_mixing(model.module)
    blocks = proved(model, examples, loss, groups, left_out) if groups else []
    if refused := [name for name in exact if name in left_out]:
        raise InputError(f"{refused[0]!r} can't be looked at: {left_out[refused[0]]}")
    if not blocks:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(left_out.items())[:3])
        raise InputError(f"no weight of {model.name} can be looked at ({reasons or 'no linear map, convolution, embedding or norm'})")
    if any(module.training for module in model.module.modules()):
        notes.append("the module is in training mode: it is asked in evaluation mode, so without dropout, and batch norms as they are kept")
    covered = {id(p) for block in blocks for path in block.paths for p in weights_of(model.module.get_submodule(path))}
    for path, p in model.module.named_parameters():
        owner = path.rpartition(".")[0]
        if id(p) not in covered and owner not in left_out:
            left_out[owner] = "not asked for" if kind_of(model.module.get_submodule(owner)) else "its kind of module is not known here"
    return Coverage(tuple(blocks), left_out, tuple(notes), sum(p.numel() for p in model.module.parameters()))


def losses_of(loss: Loss, module: nn.Module, batch: Any, n: int) -> Tensor:
    """The losses of a batch; raises unless it is one finite number per example.

    Arguments:
        loss: or a metric.
        module, batch: what it is given.
        n: examples in the batch.
    """
    return refuse_odd(loss, loss(module, batch), n)


def refuse_odd(loss: Loss, values: Any, n: int) -> Tensor:
    """The values of a loss or metric; raises unless it is one finite number per example.

    Arguments:
        loss: for the message.
        values: what it gave.
        n: how many there should be.
    """
    if not isinstance(values, Tensor) or values.shape != (n,) or not values.is_floating_point():
        got = f"{values.dtype} {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise InputError(
            f"a loss gives one number per example, here a tensor of shape ({n},); {shown(loss)} gave {got}: reduce nothing over examples"
        )
    if not torch.isfinite(values).all():
        raise InputError(
            f"the loss of {int((~torch.isfinite(values)).sum())} of {n} examples is no finite number: look at the inputs and the weights"
        )
    return values


def _chosen(model: Model, modules: str | Sequence[str] | None) -> tuple[list[str], dict[str, str], list[str]]:
    """The paths of the modules that are meant, reasons for others, and notes."""
    own = {path: m for path, m in model.module.named_modules(remove_duplicate=False) if kind_of(m)}
    if modules is None:
        stack = model.architecture.blocks if model.architecture.sites and model.n_layers else ""
        if not stack:
            return list(own), {}, []
        inside = [path for path in own if path.startswith(f"{stack}.")]
        outside = {path: "outside the blocks; name it in modules= to include it" for path in own if path not in inside}
        return inside, outside, [f"the weights inside the {model.n_layers} blocks are looked at; embeddings and what follows the blocks are not"]
    patterns = [modules] if isinstance(modules, str) else list(modules)
    found = []
    for pattern in patterns:
        hits = [path for path in own if fnmatchcase(path, pattern) or path.startswith(f"{pattern}.")]
        if not hits:
            known = ", ".join(list(own)[:6])
            raise InputError(f"modules={shown(pattern)} names no linear map, convolution, embedding or norm of {model.name}; there are {known}, ...")
        found += hits
    return [path for path in own if path in set(found)], {}, []


def _groups(module: nn.Module, chosen: Sequence[str], notes: list[str]) -> dict[str, list[str]]:
    """Modules that share their weights belong together; raises where two kinds do."""
    groups: dict[int, list[str]] = {}
    for path in chosen:
        groups.setdefault(id(module.get_submodule(path).weight), []).append(path)
    for weight, paths in groups.items():
        kinds = {kind_of(module.get_submodule(path)) for path in paths}
        biases = {id(getattr(module.get_submodule(path), "bias", None)) for path in paths}
        if len(kinds) > 1 or len(biases) > 1:
            raise InputError(f"{' and '.join(map(repr, paths))} share their weight but are of different kinds (tied): name one of them in modules=")
        tied = [path for path, m in module.named_modules() if path not in paths and id(getattr(m, "weight", None)) == weight]
        if tied:
            notes.append(f"{paths[0]!r} shares its weight with {', '.join(map(repr, tied))} (tied): only the part of its own calls is looked at")
    # of one module under several paths the first is enough
    found: dict[str, list[str]] = {}
    for paths in groups.values():
        modules = {id(module.get_submodule(path)): path for path in reversed(paths)}
        found[paths[0]] = sorted(modules.values(), key=paths.index)
    return found


def _refuse_mixing(module: nn.Module) -> None:
    for path, m in module.named_modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_mean is None:
            raise InputError(
                f"the batch norm {path!r} keeps no statistics, so that an example's loss depends on "
                "the others of its batch: use track_running_stats=True"
            )


def proved(model: Model, examples: Examples, loss: Loss, groups: dict[str, list[str]], left_out: dict[str, str]) -> list[Block]:
    """The blocks whose gradients from calls are torch's own.

    Arguments:
        model: whose weights.
        examples: of which the first two are tried.
        loss: or a metric.
        groups: a name to the paths of modules that share their weights.
        left_out: takes what does not hold, with its reason.
    """
    n = min(2, len(examples))
    blocks: dict[str, Block] = {}
    told: dict[str, Tensor] = {}
    sources: dict[tuple[int, ...], str] = {}
    weights = {name: weights_of(model.module.get_submodule(name)) for name in groups}

    def receive(name: str, uses: Sequence[Use]) -> None:
        module = model.module.get_submodule(name)
        try:
            seen = trace(module, uses, n)
        except SiteUnavailable as reason:
            left_out[name] = str(reason)
            return
        found = seen.dense()
        if found[1:].any():
            raise InputError(
                f"the loss of the first example depends on the second one too (seen at {name!r}): a "
                "loss is of one example alone, so batch statistics, "
                "contrastive terms and means over the batch don't fit"
            )
        told[name] = found[0]
        reads = (*(use.source for use in uses), -1 - int(len(weights[name]) > 1))
        of = _unfolding(module)
        source = sources.setdefault((*reads, *of), name) if kind_of(module) == "linear" else name
        _, rows, cols = found.shape
        blocks[name] = Block(name, tuple(groups[name]), rows, cols, source, seen.places)

    flat = [p for ps in weights.values() for p in ps]
    with watching(model.module, groups, receive, weights=flat) as watch:
        values = losses_of(loss, model.module, examples.batch(range(n)), n)
        uses = {name for name, seen in watch.uses.items() if seen}
        gradients = iter(watch.back(values[0], wrt=flat))
    for name in groups:
        own = [next(gradients) for _ in weights[name]]
        if name not in uses:
            left_out[name] = "it was never called as a module: its weights are used functionally, or not at all"
        if name not in blocks:
            continue
        module = model.module.get_submodule(name)
        truth = as_matrix(module, [torch.zeros_like(p) if g is None else g for p, g in zip(weights[name], own, strict=True)])
        tied = any(id(getattr(m, "weight", None)) == id(module.weight) and path not in groups[name] for path, m in model.module.named_modules())
        tolerance = TOLERANCE.get(truth.dtype, HALF)
        if not tied and float((told[name] - truth).norm()) > tolerance * float(truth.norm()) + torch.finfo(truth.dtype).tiny:
            left_out[name] = (
                "its weights are used in another way than by calling it (functionally, or in place), so its calls don't tell its gradient"
            )
            del blocks[name]
    return [_with_source(blocks[name], blocks) for name in groups if name in blocks]


def _unfolding(module: nn.Module) -> tuple[int, ...]:
    """What else than its input decides what a linear map reads."""
    if not isinstance(module, nn.Conv2d):
        return ()
    assert not isinstance(module.padding, str)
    return (*module.kernel_size, *module.dilation, *module.padding, *module.stride)


def _with_source(block: Block, blocks: dict[str, Block]) -> Block:
    """The block; one whose source is left out reads by itself."""
    source = block.source if block.source in blocks else block.name
    return Block(block.name, block.paths, block.rows, block.cols, source, block.places)
