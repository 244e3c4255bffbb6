"""Does the model do it at all? Tested before anything is explained.

On sibling prompts the model must put the target above the foil, and no longer do so under their counterfactuals: then the preference follows the
sentence and is no habit of the two words.
"""

from sonde.access import Model
from sonde.evidence import compare, untestable
from sonde.results import Verdict
from sonde.tasks import Task

MEASURE = "share of prompts with the target above the foil"
THRESHOLD, SOURCE = 0.75, "three prompts of four; guessing gives one half"


def behaviour(model: Model, task: Task, target: str, foil: str, untested: str) -> Verdict:
    """Whether the model prefers target over foil by the form of the sentence.

    Arguments:
        model: a language model.
        task: sibling prompts with their counterfactuals, not chosen for the model's answers.
        target, foil: how the contrast reads in the user's prompt.
        untested: why there are no siblings; empty where there are.
    """
    claim = f"The model prefers `{target}` to `{foil}` by what the sentence says: likewise in sibling prompts, and not under their counterfactuals."
    if untested:
        return untestable(claim, MEASURE, untested, threshold=THRESHOLD, threshold_source=SOURCE)
    clean, corrupt = (task.metric(model.run(rows, logits="last")) > 0 for rows in (task.clean, task.corrupt))
    return compare(claim, MEASURE, clean.float().cpu(), corrupt.float().cpu(), threshold=THRESHOLD, threshold_source=SOURCE)
