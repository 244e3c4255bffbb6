"""Layer-wise relevance propagation (LRP): the metric shared out from the output to the input, layer by layer, by rules that keep its sum.

Every rule is a backward rule, so that relevance is gradient times value at every site:

    R = x dF/dx   in the model with its layers' rules put in (`sonde.access.edits.relevance`), and in transformers
        a norm's scale held constant            (Ali et al. 2022)
        an activation as its input times a constant ratio       (the identity rule)
        a product of two factors giving half to each: a gated MLP's, attention's pattern times values, queries times keys
        the softmax by its own derivative, x_i (R_i - s_i sum_j R_j): AttnLRP (Achtibat et al. 2024); or the whole pattern held constant

With zero biases the values sum to F(x); what biases, epsilon and the softmax keep for themselves is the residual.
(Bach et al. 2015; Montavon et al. 2019.)
"""

import torch

from sonde.access import Metric, Model
from sonde.access.edits.relevance import LayerRuleName
from sonde.access.inputs import Given
from sonde.access.linearising import Attention, linearising, stacks_of
from sonde.attribution.question import answer, differentiate, summed
from sonde.attribution.results import Attribution
from sonde.results import InputError
from sonde.tasks import Task


def lrp(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    rule: LayerRuleName = "epsilon",
    epsilon: float = 1e-6,
    gamma: float = 0.25,
    alpha: float = 2.0,
    attention: Attention = "attnlrp",
    at: str | None = None,
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric by sharing it out from layer to layer.

    Arguments:
        model: a network of linear layers, convolutions, activations, norms and poolings; or a transformer of a known family.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's. A logit or a difference of logits: a probability is not shared out by these rules.
        rule: of the linear and convolutional layers: "epsilon", "gamma", "zplus" or "alpha-beta".
        epsilon: what keeps denominators away from zero.
        gamma: how much "gamma" favours what speaks for a neuron's sign.
        alpha: the share of what is positive under "alpha-beta"; what is negative gets alpha - 1.
        attention: "attnlrp": through pattern and values, half each; "frozen": the pattern is a constant, so that only what is moved counts, not why.
        at: the site; by default where the inputs enter.
        bos: for inputs, as for `Model.run`.

    Returns:
        The values; their residual is what the rules did not hand on.

    Raises:
        InputError: a network that these rules do not cover, no metric, or inputs that do not fit. SiteUnavailable: attention that can't be recorded.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> result = lrp(model, sonde.tasks.counterfactuals("The keys on the cabinet", model).task())
    >>> result.method
    'LRP (AttnLRP)'
    """
    if attention not in ("attnlrp", "frozen"):
        raise InputError(f"attention={attention!r}: use 'attnlrp' or 'frozen'")
    rules = list(linearising(model, attention, rule, epsilon, gamma, alpha))
    question, slope = differentiate(model, task, of, at, bos, edits=rules)
    values = summed(question, slope * question.value)
    stacked = bool(stacks_of(model))
    name = {"attnlrp": "AttnLRP", "frozen": "frozen pattern"}[attention]
    said = name + (f", {rule}" if rule != "epsilon" else "") if stacked else rule
    arguments = {"rule": rule, "epsilon": epsilon, "gamma": gamma, "alpha": alpha, "attention": attention, "at": at}
    return answer(question, f"LRP ({said})", values, "lrp", arguments, absent_metric=torch.zeros(len(question)))
