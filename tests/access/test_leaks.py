"""A thousand calls, good ones and raising ones, leave nothing behind: no hook, no mode, no kernel, no memory.

transformer-lens #1323, #297 and saelens #278 (hooks that survive), nnsight #102, #389, #396, #538 and #169 (memory that grows from call to call).
"""

import contextlib
import gc
import itertools

import pytest
import torch
from tiny_models import LogitDifference, Words, bare, logits_of
from torch.overrides import _get_current_function_mode_stack
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import sonde
from sonde.access import kernels, tape

# some thousand forwards: the check of shapes at every call, which other tests make, would take most of the time
pytestmark = pytest.mark.usefixtures("unchecked")

CALLS = 1000
ROWS = [[3, 1, 0, 4, 7], [9, 2, 6]]
HOOKS = (
    *("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs"),
    *("_backward_hooks", "_backward_pre_hooks"),
)


class Stopped(Exception):
    """An error of the user's own."""


def stop(*args):
    raise Stopped


def interrupt(*args):
    raise KeyboardInterrupt


def calls(model):
    """One of each kind: a name, and what it does."""
    metric, pattern, z = LogitDifference(), "blocks.0.attn.pattern", "blocks.1.attn.z"
    heads = [sonde.Zero(f"{z}[head={head}]") for head in range(4)]

    def edited(edits, rows):
        with model.edited(edits):
            logits_of(model.module, torch.tensor(rows))

    def within(error):
        with model.edited(sonde.Scale(pattern, 2.0)):
            model.run(ROWS, edits=heads)
            raise error

    return {
        "run": lambda: model.run(ROWS, read=["blocks.*.attn.z", pattern, "blocks.*.attn.result"]),
        "a run that stops": lambda: model.run(ROWS, read="embed", logits=False),
        "a run under edits": lambda: model.run(ROWS, edits=[*heads, sonde.Patch(z, model.run(ROWS, read=z))]),
        "an edit that raises": lambda: model.run(ROWS, edits=[sonde.Apply(pattern, stop)]),
        "an interruption": lambda: model.run(ROWS, edits=[sonde.Apply(pattern, interrupt)]),
        "an edit of another shape": lambda: model.run(ROWS, edits=[sonde.Set(z, torch.ones(3))]),
        "an unknown site": lambda: model.run(ROWS, read="blocks.0.atn.z"),
        "grad": lambda: model.grad(ROWS, metric, at=["blocks.*.attn.z", pattern], edits=heads[:1]),
        "a metric that raises": lambda: model.grad(ROWS, stop, at=pattern),
        "a metric that is interrupted": lambda: model.grad(ROWS, interrupt, at="embed"),
        "sweep": lambda: model.sweep(ROWS, [*heads, sonde.Scale(pattern, 0.5)], metric),
        "a sweep that raises": lambda: model.sweep(ROWS, [*heads, sonde.Apply(z, stop)], metric),
        "a sweep that is interrupted": lambda: model.sweep(ROWS, heads, interrupt),
        "edited": lambda: edited(heads, ROWS[:1]),
        "edited, with an error inside": lambda: within(Stopped()),
        "edited, interrupted": lambda: within(KeyboardInterrupt()),
        "edited, never called": lambda: edited([sonde.Apply(z, stop)], ROWS[1:]),
        "generate": lambda: model.generate(ROWS[0], edits=[sonde.Add("blocks.0.resid_post", 0.1)], max_new_tokens=2),
        "generate, with an error inside": lambda: model.generate(ROWS[0], edits=[sonde.Apply(pattern, stop)], max_new_tokens=2),
        "prove": model.prove,
    }


def state(model):
    """All that a call could leave changed."""
    modules = list(model.module.modules())
    return {
        "hooks": [len(getattr(module, name)) for module in modules for name in HOOKS],
        "attributes": [sorted(vars(module)) for module in modules],
        "forwards": [module.forward.__func__ for module in modules],
        "training": [module.training for module in modules],
        "requires_grad": [weight.requires_grad for weight in model.module.parameters()],
        "grad": [weight.grad for weight in model.module.parameters()],
        "versions": [tensor._version for tensor in (*model.module.parameters(), *model.module.buffers())],
        "kernel": model.architecture.kernel.name(model.module),
        "taps": kernels._taps.get(),
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), len(_get_current_function_mode_stack())),
        "registries": (len(ALL_ATTENTION_FUNCTIONS.valid_keys()), len(ALL_MASK_ATTENTION_FUNCTIONS.valid_keys())),
        "threads": torch.get_num_threads(),
    }


def held():
    """Live tensors, and live objects of any kind."""
    gc.collect()
    objects = gc.get_objects()
    return sum(issubclass(type(one), torch.Tensor) for one in objects), len(objects)


def call(function):
    with contextlib.suppress(Exception, KeyboardInterrupt):
        function()


@pytest.fixture(scope="module", params=["native-gated", "gpt2"])
def model(request):
    model = sonde.Model(bare(request.param), Words())
    model.run(ROWS, read="blocks.0.attn.pattern")  # the first use registers the recording function and proves the sites
    return model


def test_nothing_is_left_by_any_call(model):
    before, logits = state(model), model.run(ROWS).logits
    for name, function in calls(model).items():
        call(function)
        assert state(model) == before, name
    assert torch.equal(model.run(ROWS).logits, logits)


def test_a_thousand_calls_take_no_memory(model):
    before, every = state(model), list(calls(model).values())
    for function in every * 2:  # caches fill
        call(function)
    tensors, objects = held()
    for function in itertools.islice(itertools.cycle(every), CALLS // 2):
        call(function)
    assert state(model) == before
    more_tensors, more_objects = held()
    assert more_tensors == tensors
    assert more_objects - objects < CALLS // 10


def test_the_raising_calls_raise(model):
    """Else the above would prove little."""
    raising = [name for name in calls(model) if any(word in name for word in ("raise", "interrupt", "error", "never", "another", "unknown"))]
    assert len(raising) == 12
    for name in raising:
        with pytest.raises((Stopped, KeyboardInterrupt, sonde.SondeError)):
            calls(model)[name]()


# the controls


def test_control_a_hook_that_is_forgotten(model, monkeypatch):
    before, running = state(model), tape.Tape.running
    handles = []

    def forgetful(self, *args, **kwargs):
        handles.append(model.module.register_forward_hook(lambda *args: None))
        return running(self, *args, **kwargs)

    monkeypatch.setattr(tape.Tape, "running", forgetful)
    model.run(ROWS)
    assert state(model)["hooks"] != before["hooks"]
    for handle in handles:
        handle.remove()
    assert state(model) == before


def test_control_a_run_that_is_kept(model):
    tensors, _ = held()
    kept = model.run(ROWS, read="embed")
    assert held()[0] > tensors
    assert kept.logits is not None
