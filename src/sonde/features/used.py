"""Whether what features stand for is used: ablate them, and see whether the model loses more than it does without others like them.

A model may hold a property that it does nothing with: a feature that is active where the property is there says that it is held, not that it is used.
The control is ablating as many random features, active about as often; or adding about as much to their site.
"""

from collections.abc import Sequence

import torch

from sonde.access import Clamp, Metric, Model
from sonde.access.forward import logits_for
from sonde.access.inputs import Given
from sonde.evidence import compare, necessity, untestable
from sonde.evidence.parts import HALF, HALF_SOURCE
from sonde.features.activity import Activity, By
from sonde.features.places import feature_of
from sonde.features.pushes import refuse_other_activity
from sonde.results import InputError, Verdict
from sonde.tasks import Task
from sonde.tasks.metrics import sign_of, unit_of

ANY = "any loss: the control decides"
LIKE: dict[By, str] = {"density": "random features of equal density", "norm": "random features that add as much"}


def used(
    model: Model, site: str, features: Sequence[int], inputs: Task | Given, activity: Activity, of: Metric | None = None, draws: int = 10,
    seed: int = 0, threshold: float | None = None, name: str = "",
) -> list[Verdict]:  # fmt: skip
    """Judge whether the answer needs some features.

    Arguments:
        model: on which the basis is attached.
        site: of its coordinates.
        features: which are ablated together.
        inputs: a task, or prompts as for `model.run`; such as took no part in choosing the features.
        activity: how active the features are, which tells what is like them.
        of: a metric; by default the task's.
        draws: how many random sets of features of each kind.
        seed: of the draws.
        threshold: the least loss that counts: of a task a share of the gap to its counterfactuals, by default half of it; else in the metric's unit,
            by default any.
        name: what the features stand for, for the claim; by default their numbers.

    Returns:
        Two verdicts, against random features of equal density and against such as add as much to the site; not testable where too few are like them.

    Raises:
        InputError: no feature, no metric, a feature that is not there.

    >>> import sonde
    >>> from sonde.features import activity
    >>> model = sonde.load("specimen:words")
    >>> site, task = "blocks.1.mlp.post.neurons", sonde.tasks.load("agreement", model, n=8)
    >>> model = model.attach("blocks.1.mlp.post", sonde.bases.Neurons(model.architecture.d_mlp), "neurons")
    >>> [verdict.n for verdict in used(model, site, [3, 5], task, activity(model, site, task.texts), draws=3)]
    [8, 8]
    """
    found = [feature_of(model, site, f) for f in features]
    if not found:
        raise InputError("no feature to ablate: give at least one")
    metric = of or (inputs.metric if isinstance(inputs, Task) else None)
    if metric is None:
        raise InputError("nothing is measured: give of= a metric, or a task, which has one")
    refuse_other_activity(model, site, activity)
    who = name or ("feature " + str(found[0]) if len(found) == 1 else f"the features {', '.join(map(str, found))}")
    drawn = {by: _alike(activity, found, draws, seed, by) for by in LIKE}
    sets = [found, *(one for own in drawn.values() if not isinstance(own, str) for one in own)]
    # more is better in what follows: the metric's sign says what a loss is
    sign = sign_of(metric)
    sweep = model.sweep(inputs.clean if isinstance(inputs, Task) else inputs, [Clamp(site, 0.0, dims=one) for one in sets], metric)
    base, (without, *controls) = sign * sweep.base.float().cpu(), (sign * sweep.values.float().cpu()).unbind()
    corrupt = sign * metric(model.run(inputs.corrupt, logits=logits_for(metric))).float().cpu() if isinstance(inputs, Task) else None
    unit = unit_of(metric) if corrupt is None else "share of the gap to the counterfactuals"
    source = "given" if threshold is not None else ANY if corrupt is None else HALF_SOURCE
    least = threshold if threshold is not None else 0.0 if corrupt is None else HALF
    verdicts = []
    for by, like in LIKE.items():
        claim, measure = f"The answer needs {who} of {site}, more than {like}.", f"{unit} lost when they are ablated; control: {like}"
        own = drawn[by]
        if isinstance(own, str):
            verdicts.append(untestable(claim, measure, own, threshold=least, threshold_source=source))
            continue
        random, controls = torch.stack(controls[: len(own)]), controls[len(own) :]
        if corrupt is None:
            verdicts.append(compare(claim, measure, base - without, base - random, threshold=least, threshold_source=source))
        else:
            verdicts.append(necessity(claim, base, corrupt, without, random, measure=measure, threshold=least, threshold_source=source))
    return verdicts


def _alike(activity: Activity, found: Sequence[int], draws: int, seed: int, by: By) -> list[tuple[int, ...]] | str:
    """Random sets like the found one; or why there are none."""
    try:
        return activity.alike(found, draws, seed, by)
    except InputError as reason:
        return str(reason)
