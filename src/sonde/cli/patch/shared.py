"""What the actions of `sonde patch` have in common: what is asked, which places are meant, and how the findings are told."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import add_task_options, opened_task
from sonde.cli.printing import refuse_unwritable
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model, Site
    from sonde.patching import PatchResult
    from sonde.tasks import Ablation, Task

PLACES = "heads, mlps, residual, or a site such as 'blocks.2.resid_pre[pos=2]', also with globs; 'A + B' are patched together"
ABLATIONS = "counterfactual, zero, resample, mean, mean:all or mean:template"


def add_options(action: argparse.ArgumentParser, n: int = 16) -> None:
    """Register what is asked and where the findings go.

    Arguments:
        action: the parser.
        n: how many examples of a task by default.
    """
    action.add_argument("--task", metavar="NAME|FILE", help="a shipped task, a template (.yaml, .py: is run), or a file of examples")
    action.add_argument("--clean", metavar="PROMPT", help="one prompt instead")
    action.add_argument("--corrupt", metavar="PROMPT", help="its counterfactual (default: one is looked for)")
    action.add_argument("--target", metavar="T", help="the token that is right after --clean (default: what the model says)")
    action.add_argument("--foil", metavar="F", help="the token that it is compared with (default: what the counterfactual makes of it)")
    add_task_options(action, n)
    action.add_argument("--metric", metavar="NAME", help="another metric that the answers define, such as log_probability")
    add_output(action)


def add_output(action: argparse.ArgumentParser) -> None:
    """Register where the findings go."""
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")


def opened(arguments: argparse.Namespace) -> "tuple[Model, Task]":
    """The model, and the examples that it is asked."""
    refuse_unwritable(arguments)
    if (arguments.task is None) == (arguments.clean is None):
        raise InputError("give the examples: one of --task NAME and --clean PROMPT")
    if arguments.task is not None and any((arguments.corrupt, arguments.target, arguments.foil)):
        raise InputError("a task says itself what is right and what it is compared with: leave --corrupt, --target and --foil out")
    from sonde.loading import load

    model = load(arguments.model)
    task = opened_task(arguments, model) if arguments.clean is None else _pair(arguments, model)
    return model, task if arguments.metric is None else task.with_metric(arguments.metric)


def halves(arguments: argparse.Namespace, task: "Task") -> "tuple[Task, Task]":
    """Examples to choose on, and others to test on.

    Arguments:
        arguments: of the command.
        task: all of them.
    """
    if len(task) < 4:
        raise InputError(f"--check chooses on one half and tests on the other, and there are {len(task)} examples: give --task, and -n 16 or more")
    return task.split(arguments.seed)


def _pair(arguments: argparse.Namespace, model: "Model") -> "Task":
    from sonde.tasks import Task, counterfactuals

    if arguments.corrupt is None:
        found = counterfactuals(
            arguments.clean, model, target=arguments.target, foil=arguments.foil, seed=arguments.seed, bos=arguments.bos
        )  # fmt: skip
        return found.task()
    if not (arguments.target and arguments.foil):
        raise InputError("--corrupt needs the answers: give --target, right after --clean, and --foil, what it is compared with")
    return Task.from_pairs(model, [(arguments.clean, arguments.corrupt, arguments.target, arguments.foil)], "pair", bos=arguments.bos)


def places(given: Sequence[str], model: "Model", task: "Task") -> "list[list[Site]]":
    """The groups of sites that are meant by `heads`, `mlps`, `residual` and names.

    Arguments:
        given: as they were written.
        model, task: what is patched.
    """
    from sonde.access import Site
    from sonde.patching import head_sites, mlp_sites, residual_sites

    found: list[list[Site]] = []
    for text in given:
        if text == "residual":
            if task.length is None:
                raise InputError(f"residual: the examples of {task.name!r} differ in length; name positions that all have, such as [pos=-1]")
            found += [[site] for site in residual_sites(model, task.length)]
        elif text in ("heads", "mlps"):
            found += [[site] for site in (head_sites(model) if text == "heads" else mlp_sites(model))]
        elif " + " in text:
            found.append([Site.parse(part) for part in text.split(" + ")])
        elif "*" in text:
            found += [[site] for site in model.sites(text)]
        else:
            found.append([Site.parse(text)])
    return found


def ablation(text: str) -> "Ablation":
    """A kind of ablation from its text, such as `mean:all`."""
    from sonde.tasks import Ablation

    kind, colon, over = text.partition(":")
    given: Any = {"kind": kind, **({"over": over} if colon else {})}
    return Ablation(**given)


def entries(patches: "PatchResult", names: Sequence[str] = ()) -> dict[str, Any]:
    """What was found as plain data: both unpatched runs, and each patch.

    Arguments:
        patches: the metric under each of them.
        names: what they are called; their sites by default.
    """
    ends = patches.intervals()
    found = [
        {"name": name, "change": change, "effect": effect, "interval": None if ends is None else _finite(ends[i].tolist())}
        for i, (name, change, effect) in enumerate(
            zip(names or patches.sites, patches.change.tolist(), patches.effect.tolist(), strict=True)
        )
    ]  # fmt: skip
    return {
        "unit": patches.unit, "n": len(patches.clean), "clean": float(patches.clean.mean()), "corrupt": float(patches.corrupt.mean()),
        "direction": patches.direction, "written": patches.written, "entries": found,
    }  # fmt: skip


def _finite(ends: list[float]) -> list[float] | None:
    return ends if all(end == end for end in ends) else None
