"""Do the parts with the largest direct contributions write the answer? Tested by changing what they write, and nothing else.

A contribution is read off with the final norm's scale held fixed. Here the model itself is run: what some parts add is that of the counterfactual,
while every later part still reads what it read in the clean run. So only what they write straight to the output changes (path patching to the
logits, Wang et al. 2022), the norms included. The control are random sets of as many parts.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from sonde.access import Model, Patch
from sonde.evidence import compare, random_sets, t_interval, untestable
from sonde.results import InputError, Verdict
from sonde.tasks import LogitDifference, Task

MEASURE = "share of the gap lost when what they write straight to the output is that of the counterfactual; control: random sets of that size"
THRESHOLD, SOURCE = 0.5, "half of the gap between the prompts and their counterfactuals: a convention"


def written_by(model: Model, task: Task, names: Sequence[str], seed: int = 0, sets: int = 20) -> Verdict:
    """Test whether some heads and MLPs write an answer straight to the output.

    Arguments:
        model: a language model of a known family.
        task: prompts that took no part in choosing the parts, with counterfactuals.
        names: the parts: `head 2.1`, `MLP 0`.
        seed: of the random sets.
        sets: how many random sets make the control.

    Raises:
        InputError: a part that the model has not.
    """
    candidates = component_sites(model)
    unknown = [name for name in names if name not in candidates]
    if unknown:
        raise InputError(
            f"{model.name} has no part {unknown[0]!r}: name heads and MLPs, such as {', '.join(list(candidates)[:1] + list(candidates)[-1:])}"
        )
    claim = f"{', '.join(names)} {'write' if len(names) > 1 else 'writes'} the answer straight to the output."
    claim = claim[0].upper() + claim[1:]
    if not names:
        return _untestable(
            "Some heads or MLPs write the answer straight to the output.", "none contributes a tenth of the difference on the search prompts"
        )
    if not len(task):
        return _untestable(claim, "there are no prompts to test it on")
    metric = LogitDifference(task.targets, foils=task.foils)
    inputs = [f"blocks.{i}.{branch}.in" for i in range(model.n_layers) for branch in ("attn", "mlp")]
    inputs = [site for site in inputs if site in model.architecture.sites]
    places = list(dict.fromkeys(site.split("[")[0] for site in candidates.values()))
    clean, corrupt = model.run(task.clean, read=inputs, logits="last"), model.run(task.corrupt, read=places, logits="last")
    reason = _no_answer(metric(clean), metric(corrupt))
    if reason:
        return _untestable(claim, reason)
    gap = (metric(clean) - metric(corrupt)).mean()
    held = [Patch(site, clean) for site in inputs]
    drawn = [one for one in random_sets(list(candidates), len(names), sets, seed) if set(one) != set(names)]
    edits = [[*(Patch(candidates[name], corrupt) for name in chosen), *held] for chosen in (names, *drawn)]
    lost = ((metric(clean) - model.sweep(task.clean, edits, metric).values) / gap).cpu()
    return compare(claim, MEASURE, lost[0], lost[1:], threshold=THRESHOLD, threshold_source=SOURCE)


def component_sites(model: Model) -> dict[str, str]:
    """Every head and MLP by its name, with the site of what it gives."""
    heads = {f"head {i}.{head}": f"blocks.{i}.attn.z[head={head}]" for i in range(model.n_layers) for head in range(model.n_heads)}
    mlps = {f"MLP {i}": f"blocks.{i}.mlp.out" for i in range(model.n_layers) if f"blocks.{i}.mlp.out" in model.architecture.sites}
    return heads | mlps


def _no_answer(clean: Float[Tensor, " example"], corrupt: Float[Tensor, " example"]) -> str:
    """Why there is no answer that parts could write; also a network without any skill has parts that write its tiny differences."""
    for values, what in ((clean, "prefer the target to the foil"), (clean - corrupt, "prefer it less under the counterfactual")):
        if len(values) < 2 or t_interval(values)[0] <= 0:
            return f"on these prompts the model does not surely {what} (mean {values.mean():+.3g} logits)"
    return ""


def untested(reason: str) -> Verdict:
    """The verdict where there is no prompt to test the parts on."""
    return _untestable("Some heads or MLPs write the answer straight to the output.", reason)


def _untestable(claim: str, reason: str) -> Verdict:
    return untestable(claim, MEASURE, reason, threshold=THRESHOLD, threshold_source=SOURCE)
