"""One forward through the model's own module: the only place where sonde calls a model to read, edit or differentiate it."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sonde.access.edits import FromRun
from sonde.access.inputs import Inputs
from sonde.access.modes import without_derivative
from sonde.access.outputs import unwrap
from sonde.access.run import Gradients, Readings, Run
from sonde.access.sites import Site
from sonde.access.tape import Held, Stop, Tape
from sonde.access.writes import Write
from sonde.results import InputError, SiteUnavailable, SondeError, shown

if TYPE_CHECKING:
    from sonde.access.model import Model

# a call changes modes, kernels and hooks of a module, which another handle or a shared configuration may hold too: threads take turns
_TURN = threading.RLock()

Logits = Literal["last"] | bool
Metric = Callable[[Run], Tensor]


def forward(
    model: "Model", inputs: Inputs, sites: Sequence[Site], writes: Sequence[Write], logits: Logits, record: bool = False, stop: bool = False
) -> Run:  # fmt: skip
    """Run once, reading `sites` and applying `writes`.

    Arguments:
        model, inputs: what is run.
        sites: what to read.
        writes: what to write, in order.
        logits: all, those at each row's last real token, or none; then the forward ends after the last of the sites.
        record: use the recording attention function also where no site needs it.
        stop: without logits, end the forward after the last of the sites also where they lie outside the vocabulary: of a module that was seen
            to call each of them once.
    """
    if logits is False and not sites:
        raise InputError("nothing was asked for: name sites in read=, or keep the logits")
    logits = logits_kept(model, logits, [*sites, *(w.site for w in writes)])
    record = record or needs_recording(model, writes)
    # a module outside the vocabulary may be called again later in the forward, which only the whole forward shows
    specs = [model.locate(site.name) for site in (*sites, *(w.site for w in writes))]
    stop = logits is False and (stop or all((spec.base or spec).name in model.architecture.sites for spec in specs))
    for copy in (False, True):
        tape = Tape(model.module, model.architecture, model.locate, inputs.rows, stop=stop, copy=copy, batch=inputs.batch)
        for write in writes:
            tape.write(write)
        for site in sites:
            tape.read(site)
        with evaluation(model.module) as was_training, torch.no_grad():
            output = _call(model, tape, inputs, logits, record)
        if not tape.overwritten:
            break
    # a module that changes its activations in place was run again with copies: what was read is what flowed
    return _finish(model, tape, inputs, output, logits, record, writes, was_training)


def gradients(
    model: "Model", inputs: Inputs, of: Metric, sites: Sequence[Site], writes: Sequence[Write], read: Sequence[Site] = ()
) -> Gradients:  # fmt: skip
    """Gradients of a metric with respect to the values at `sites`, as they are after `writes`.

    The weights are frozen for the call and the graph begins at the first of the sites, so neither weight gradients nor a graph below exist.

    Arguments:
        model, inputs, of: what is differentiated.
        sites: with respect to what.
        writes: what to write, in order.
        read: further sites whose values are kept; no gradient is taken there.

    Raises:
        InputError: the metric is not one differentiable number per example, or depends on none of the sites.
    """
    logits = logits_kept(model, logits_for(of), [*sites, *read, *(w.site for w in writes)])
    record = needs_recording(model, writes)
    # what is read beside the leaves may be overwritten in place before it is handed on
    tape = Tape(model.module, model.architecture, model.locate, inputs.rows, copy=bool(read), batch=inputs.batch)
    for write in writes:
        tape.write(write)
    for site in sites:
        tape.leaf(site)
    for site in read:
        tape.read(site)
    with evaluation(model.module) as was_training, frozen(model.module), torch.enable_grad():
        output = _call(model, tape, inputs, logits, record)
        run = _finish(model, tape, inputs, output, logits, record, writes, was_training)
        value = measured(of, run)
        if not value.requires_grad:
            raise InputError(f"the metric does not depend on {', '.join(map(str, sites[:3]))} by any differentiable path")
        if (operation := without_derivative(value)) is not None:
            raise SiteUnavailable(
                f"{model.name} computes by operations without a derivative ({operation}), as quantised layers do, so its gradients would be wrong; "
                "load the weights that are not quantised"
            )
        try:
            grads = torch.autograd.grad(value.sum(), [leaf.value for leaf in tape.leaves.values()], allow_unused=True)
        except RuntimeError as error:
            if "modified by an inplace operation" not in str(error):
                raise
            raise SiteUnavailable(
                f"{model.name} overwrites in place what its own gradients need, so it has none; name sites after that, or change its code"
            ) from None
    held = {}
    values = {site: Held(seen.value.detach(), seen.axes, seen.weight, seen.of_tokens) for site, seen in tape.held.items()}
    for (site, leaf), grad in zip(tape.leaves.items(), grads, strict=True):
        # no path from the site to the metric: the gradient is zero, not missing
        held[site] = Held(torch.zeros_like(leaf.value) if grad is None else grad, leaf.axes, of_tokens=leaf.of_tokens)
        values[site] = Held(leaf.value.detach(), leaf.axes, of_tokens=leaf.of_tokens)
    return Gradients(held, Readings(values, inputs.rows), value.detach(), run)


def differentiable(
    model: "Model", inputs: Inputs, writes: Sequence[Write], of: Metric, read: Sequence[Site] = (), logits: Logits | None = None,
    stop: bool = False, freeze: bool = True,
) -> Tensor:  # fmt: skip
    """A metric under edits or of inputs that are functions of what is to be learned: one number per example, with its graph.

    The weights stay as they are.

    Arguments:
        model, inputs, writes, of: as for `gradients`; the inputs may have a graph, too.
        read: the sites that the metric reads.
        logits: which the metric reads; by default those that it declares.
        stop: end the forward after the last of the sites, of a module that was seen to call each of them once.
        freeze: let no weight take part in the graph; the caller sees to that where not.
    """
    record = needs_recording(model, writes)
    # what is read may be overwritten in place before the metric sees it
    tape = Tape(model.module, model.architecture, model.locate, inputs.rows, batch=inputs.batch, copy=bool(read), stop=stop and logits is False)
    for write in writes:
        tape.write(write)
    for site in read:
        tape.read(site)
    logits = logits_kept(model, logits_for(of) if logits is None else logits, [*read, *(w.site for w in writes)])
    still = frozen(model.module) if freeze else contextlib.nullcontext()
    with evaluation(model.module) as was_training, still, torch.enable_grad():
        output = _call(model, tape, inputs, logits, record)
        return measured(of, _finish(model, tape, inputs, output, logits, record, writes, was_training))


def measured(metric: Metric, run: Run) -> Tensor:
    """The metric's value for each example; raises unless it is one number per row."""
    value = metric(run)
    if not isinstance(value, Tensor) or value.shape != (run.inputs.batch,) or value.is_complex():
        got = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise InputError(f"a metric gives one number per example, here a tensor of shape ({run.inputs.batch},); {shown(metric)} gave {got}")
    return value


def logits_for(metric: Metric) -> Logits:
    """The logits that a metric reads: those at the last token if it declares `pos = -1`, else all; refuses what is no metric."""
    if not callable(metric):
        raise InputError(f"{shown(metric)} is no metric: give a function from a Run to one number per example, such as one of sonde.tasks")
    return "last" if getattr(metric, "pos", None) == -1 else True


def logits_kept(model: "Model", logits: Logits, sites: Sequence[Site]) -> Logits:
    """The logits that are computed: all of them where sites at or after the unembedding are meant, which have all positions."""
    if not isinstance(logits, bool) and (not isinstance(logits, str) or logits != "last"):
        raise InputError(f"logits={shown(logits)}: use True, 'last' or False")
    unembed = model.architecture.unembed
    if logits == "last" and (not unembed or any(model.locate(site.name).point.module in ("", unembed) for site in sites)):
        return True
    return logits


def needs_recording(model: "Model", writes: Sequence[Write]) -> bool:
    """Whether the recording attention function is needed: a write is inside it, or a patch comes from a run that used it (runs that are
    compared use the same attention kernel)."""
    if model.architecture.kernel is None:
        return False
    tape = Tape(model.module, model.architecture, model.locate)
    for write in writes:
        tape.write(write)
    own = model.architecture.kernel.name(model.module)
    return tape.records or any(isinstance(w.edit, FromRun) and w.edit.source.kernel == "eager" != own for w in writes)


@contextlib.contextmanager
def evaluation(module: nn.Module) -> Iterator[bool]:
    """Evaluation mode inside this context, every submodule's own mode after it; yields whether anything was in training mode.

    Inference mode is off inside: its tensors could neither be differentiated nor watched for changes in place.
    """
    with _TURN:
        training = [m for m in module.modules() if m.training]
        try:
            for m in training:
                m.training = False
            with torch.inference_mode(False):
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


def _call(model: "Model", tape: Tape, inputs: Inputs, logits: Logits, record: bool) -> Any:
    """What the module returns when it is called under a tape; `None` if the tape stopped it."""
    with tape.running(force_recording=record), contextlib.ExitStack() as stack:
        if logits == "last":
            stack.callback(_keep_last(model, inputs).remove)
        given = inputs.fresh()
        try:
            return model.module(*given.args, **{**model.architecture.call, **given.kwargs})
        except Stop:
            return None
        except (RuntimeError, TypeError, ValueError) as error:  # an unknown module says itself what it can't take, in the words of its own code
            if model.architecture.family != "module" or tape.edits or isinstance(error, SondeError):
                raise
            raise InputError(f"{model.name} can't take {_described(inputs)}: {shown(str(error), limit=200)}") from error


def _described(inputs: Inputs) -> str:
    """The tensors that a module was called with, in a few words."""
    named = [("", value) for value in inputs.args] + [(f"{name} ", value) for name, value in inputs.kwargs.items()]
    return ", ".join(f"{name}{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else f"{name}{shown(value)}" for name, value in named)


def _keep_last(model: "Model", inputs: Inputs) -> RemovableHandle:
    """Let the unembedding see each row's last real token only: the other positions' logits are not computed."""
    rows = inputs.rows
    assert rows is not None

    def hook(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden = args[0]
        last = torch.tensor(rows.last_computed, device=hidden.device)
        return (hidden[torch.arange(len(last), device=hidden.device), last].unsqueeze(1), *args[1:])

    return model.module.get_submodule(model.architecture.unembed).register_forward_pre_hook(hook)


def _finish(
    model: "Model", tape: Tape, inputs: Inputs, output: Any, logits: Logits, record: bool, writes: Sequence[Write], was_training: bool
) -> Run:  # fmt: skip
    """The run that a forward leaves behind; raises if something that was asked for never happened."""
    tape.finish()
    if output is None and logits is not False:
        raise SiteUnavailable("the forward ended before the logits")
    arch, notes = model.architecture, [*inputs.notes, *tape.notes]
    own = arch.kernel.name(model.module) if arch.kernel else ""
    kernel = "eager" if tape.records or record else own
    if kernel != own:
        notes.append(f"attention kernel: eager, recorded, because scores or patterns are involved; the model's own is {own}, equal to rounding")
    others = {w.edit.source.kernel for w in writes if isinstance(w.edit, FromRun)} - {kernel, ""}
    if others:
        notes.append(f"a patch comes from a run under another attention kernel ({', '.join(sorted(others))}): equal to rounding only")
    if arch.sites and "logits" not in arch.sites and logits is not False:
        notes.append("this model has no head that sonde knows: run.logits is what it returns first")
    if was_training:
        notes.append("the module was in training mode: it ran in evaluation mode and was put back")
    columns = inputs.rows.last if logits == "last" and inputs.rows is not None else None
    return Run(tape.held, None if logits is False else unwrap(output), inputs, kernel, tuple(notes), columns)
