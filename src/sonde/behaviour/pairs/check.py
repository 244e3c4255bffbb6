"""Does a model prefer acceptable sentences because of what it learnt?

Beside it stands the same model without that: a network with the entries of its weights in random order, a model of n-grams without the order of the
words. What such a control gets right, it gets right by the lengths and words of the sentences, not by grammar.
"""

from typing import TYPE_CHECKING, Any

import torch

from sonde.behaviour.pairs.scores import pair_scores
from sonde.behaviour.scorers.sentences import scorer_of
from sonde.evidence import compare, corrected, untestable
from sonde.results import InputError, Verdict

if TYPE_CHECKING:
    from sonde.behaviour.pairs.results import MinimalPairs

MEASURE = "share of pairs whose acceptable sentence scores strictly higher"
THRESHOLD, SOURCE = 0.5, "a coin"
DRAWS = 3  # of the control


def check(result: "MinimalPairs", model: Any, per_paradigm: int = 20, seed: int = 0, bos: Any = None) -> list[Verdict]:
    """Test that a model prefers acceptable sentences: over all paradigms, and in each phenomenon of several pairs.

    Arguments:
        result: what was found.
        model: one of its models, or its scorer.
        per_paradigm: how many pairs of each paradigm are scored again by the controls.
        seed: of the controls.
        bos: as it was given to `minimal_pairs`.

    Returns:
        The verdict on all paradigms, whose pairs count as one example each; then one for each phenomenon, corrected for their number.

    Raises:
        CheckRefused: a model that the result is not about.
    """
    scorer = scorer_of(model, result.method, bos)
    m = result.place_of(scorer.hash)
    scored = (result.good[m].isfinite() & result.bad[m].isfinite()).tolist()
    chosen = [i for members in result.paradigms.values() for i in [i for i in members if scored[i]][:per_paradigm]]
    controls = [control for draw in range(DRAWS) if (control := scorer.control(seed + draw)) is not None]
    pairs = [result.pairs[i] for i in chosen]
    right = result.right[m][chosen].double()
    drawn = []
    for control in controls:
        try:
            values = pair_scores(control, pairs, result.method, result.normalise).values  # type: ignore[arg-type]
        except InputError as error:
            return [untestable(_claim(result.models[m]), MEASURE, str(error), threshold=THRESHOLD, threshold_source=SOURCE)]
        drawn.append((values[0] > values[1]).double() + 0.5 * (values[0] == values[1]).double())  # a control that can't tell guesses
    by = torch.stack(drawn) if len(drawn) > 1 else drawn[0]
    whole = compare(
        _claim(result.models[m]), MEASURE, right, by, threshold=THRESHOLD, threshold_source=SOURCE, blocks=[pair.paradigm for pair in pairs], least=4
    )  # fmt: skip
    each = []
    for phenomenon in result.phenomena if len(result.phenomena) > 1 else ():
        here = torch.tensor([pair.phenomenon == phenomenon for pair in pairs])
        claim = f"{_claim(result.models[m]).rstrip('.')} in {phenomenon}."
        each.append(compare(claim, MEASURE, right[here], by[..., here], threshold=THRESHOLD, threshold_source=SOURCE))
    return [whole, *corrected(each)]


def _claim(model: str) -> str:
    return f"{model} prefers acceptable sentences, by what it learnt."
