"""One forward through the model's own module: the only place where sonde calls a model to read, edit or differentiate it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from sonde.access.edits import Edit, Patch
from sonde.access.inputs import Inputs
from sonde.access.run import Gradients, Readings, Run
from sonde.access.sites import Site
from sonde.access.tape import Held, Stop, Tape, Write, unwrap
from sonde.results import InputError, SiteUnavailable

if TYPE_CHECKING:
    from sonde.access.model import Model

Logits = Literal["last"] | bool
Metric = Callable[[Run], Tensor]


def forward(model: "Model", inputs: Inputs, sites: Sequence[Site], writes: Sequence[Write], logits: Logits, record: bool = False) -> Run:
    """Run once, reading `sites` and applying `writes`; without logits the forward ends after the last of them."""
    if logits is False and not sites:
        raise InputError("nothing was asked for: name sites in read=, or keep the logits")
    logits = _logits_kept(model, logits, [*sites, *(w.site for w in writes)])
    for copy in (False, True):
        tape = Tape(model.module, model.architecture, model.locate, inputs.rows, stop=logits is False, copy=copy)
        for write in writes:
            tape.write(write)
        for site in sites:
            tape.read(site)
        with evaluation(model.module) as was_training, torch.no_grad():
            output, recorded = call(model, tape, inputs, logits, record or _needs_recording(writes, model))
        if not tape.overwritten:
            break
    # a module that changes its activations in place was run again with copies: what was read is what flowed
    return _finish(model, tape, inputs, output, logits, recorded, writes, was_training)


def gradients(model: "Model", inputs: Inputs, of: Metric, sites: Sequence[Site], edits: Sequence[Edit]) -> Gradients:
    """Gradients of a metric with respect to the values at `sites`, as they are after `edits`.

    The weights are frozen for the call and the graph begins at the first of the sites, so neither weight gradients nor a graph below exist.
    """
    logits = _logits_kept(model, logits_for(of), sites)
    tape = Tape(model.module, model.architecture, model.locate, inputs.rows)
    writes = [Write(edit.site, edit) for edit in edits]
    for write in writes:
        tape.write(write)
    for site in sites:
        tape.leaf(site)
    with evaluation(model.module) as was_training, frozen(model.module), torch.enable_grad():
        output, recorded = call(model, tape, inputs, logits, _needs_recording(writes, model))
        run = _finish(model, tape, inputs, output, logits, recorded, writes, was_training)
        value = measured(of, run)
        if not value.requires_grad:
            raise InputError(f"the metric does not depend on {str(sites[0])!r} by any differentiable path")
        grads = torch.autograd.grad(value.sum(), list(tape.leaves.values()), allow_unused=True)
    held, values = {}, {}
    for (site, leaf), grad in zip(tape.leaves.items(), grads, strict=True):
        axes = tape.axes[site]
        # no path from the site to the metric: the gradient is zero, not missing
        held[site] = Held(torch.zeros_like(leaf) if grad is None else grad, 0, axes)
        values[site] = Held(leaf.detach(), 0, axes)
    return Gradients(held, Readings(values, inputs.rows), value.detach(), run)


def measured(metric: Metric, run: Run) -> Tensor:
    """The metric's value for each example; raises unless it is one number per row."""
    value = metric(run)
    if not isinstance(value, Tensor) or value.shape != (run.inputs.batch,):
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise InputError(f"a metric gives one number per example, here a tensor of shape ({run.inputs.batch},); {metric!r} gave {got}")
    return value


def logits_for(metric: Metric) -> Logits:
    """The logits that a metric reads: those at the last token if it declares `pos = -1`, else all."""
    return "last" if getattr(metric, "pos", None) == -1 else True


def call(model: "Model", tape: Tape, inputs: Inputs, logits: Logits, record: bool) -> tuple[Any, bool]:
    """Call the module under a tape; returns its output (`None` if it was stopped) and whether attention was recorded."""
    recorded = tape.records or record
    with tape.running(force_recording=record), contextlib.ExitStack() as stack:
        if logits == "last" and model.architecture.unembed:
            stack.callback(_keep_last(model, inputs).remove)
        try:
            return model.module(*inputs.args, **{**model.architecture.call, **inputs.kwargs}), recorded
        except Stop:
            return None, recorded


@contextlib.contextmanager
def evaluation(module: nn.Module) -> Iterator[bool]:
    """Evaluation mode inside this context, every submodule's own mode after it; yields whether anything was in training mode."""
    training = [m for m in module.modules() if m.training]
    try:
        for m in training:
            m.training = False
        yield bool(training)
    finally:
        for m in training:
            m.training = True


@contextlib.contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """No parameter takes part in a graph inside this context."""
    thawed = [p for p in module.parameters() if p.requires_grad]
    try:
        for p in thawed:
            p.requires_grad_(False)
        yield
    finally:
        for p in thawed:
            p.requires_grad_(True)


def _keep_last(model: "Model", inputs: Inputs) -> Any:
    """Let the unembedding see each row's last real token only: the other positions' logits are not computed."""
    rows = inputs.rows
    assert rows is not None
    last = torch.tensor([start + length - 1 for start, length in zip(rows.starts, rows.lengths, strict=True)])

    def hook(module: nn.Module, args: tuple) -> tuple:
        hidden = args[0]
        return (hidden[torch.arange(len(last)), last.to(hidden.device)].unsqueeze(1), *args[1:])

    return model.module.get_submodule(model.architecture.unembed).register_forward_pre_hook(hook)


def _logits_kept(model: "Model", logits: Logits, sites: Sequence[Site]) -> Logits:
    if logits not in (True, False, "last"):
        raise InputError(f"logits={logits!r}: use True, 'last' or False")
    # whoever names the logits as a site means all positions
    return True if logits == "last" and (not model.architecture.unembed or any(s.name == "logits" for s in sites)) else logits


def _needs_recording(writes: Sequence[Write], model: "Model") -> bool:
    """Runs that are compared use the same attention kernel: a patch from a recorded run makes this one recorded too."""
    if model.architecture.kernel is None:
        return False
    own = model.architecture.kernel.name(model.module)
    return any(isinstance(w.edit, Patch) and w.edit.source.kernel not in (own, "") and w.edit.source.kernel == "eager" for w in writes)


def _finish(
    model: "Model", tape: Tape, inputs: Inputs, output: Any, logits: Logits, recorded: bool, writes: Sequence[Write], was_training: bool
) -> Run:  # fmt: skip
    tape.finish()
    arch, notes = model.architecture, list(inputs.notes)
    own = arch.kernel.name(model.module) if arch.kernel else ""
    kernel = "eager" if recorded else own
    if kernel != own:
        notes.append(f"attention kernel: eager, recorded, because scores or patterns are involved; the model's own is {own}, equal to rounding")
    others = {w.edit.source.kernel for w in writes if isinstance(w.edit, Patch)} - {kernel, ""}
    if others:
        notes.append(f"a patch comes from a run under another attention kernel ({', '.join(sorted(others))}): equal to rounding only")
    if was_training:
        notes.append("the module was in training mode: it ran in evaluation mode and was put back")
    if output is None and logits is not False:
        raise SiteUnavailable("the forward ended before the logits")
    last = logits == "last"
    return Run(tape.held, None if logits is False else unwrap(output), inputs, model.token_strings(inputs), kernel, tuple(notes), last)
