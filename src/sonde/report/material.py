"""What every chapter of an explanation draws on: the prediction, the contrast, the counterfactual, and the siblings in two halves."""

import functools
from dataclasses import dataclass

from sonde.access import Model
from sonde.patching import Components, find_components
from sonde.report.prediction import Prediction, predict
from sonde.results import InputError
from sonde.tasks import Candidates, LogitDifference, Task, counterfactuals, siblings

SIBLINGS = 32  # half to search on, half to judge: sixteen examples behind each interval


@dataclass(frozen=True, eq=False)
class Material:
    """One prompt, prepared.

    Arguments:
        model, prompt, bos, seed: as given.
        ids: the prompt's tokens, special ones included.
        prediction: what the model says.
        candidates: the contrast, and the counterfactuals with the chosen one among them, if there is any.
        metric: logit of the target minus logit of the foil at the last token, on the prompt itself.
        search, evaluate: siblings to choose on and siblings to judge on; may be empty.
        untested: why claims can't be tested on siblings; empty where they can.
        warnings: what a reader should know before trusting the report.
    """

    model: Model
    prompt: str
    bos: bool | None
    seed: int
    ids: list[int]
    prediction: Prediction
    candidates: Candidates
    metric: LogitDifference
    search: Task
    evaluate: Task
    untested: str
    warnings: list[str]

    @functools.cached_property
    def components(self) -> Components:
        """The components that carry the answer, chosen on the search siblings."""
        return find_components(self.model, self.search, self.seed)

    @property
    def corrupt(self) -> str | None:
        """The chosen counterfactual."""
        return None if self.candidates.best is None else self.candidates.best.pair.corrupt


def gather(model: Model, prompt: str, target: str | None, foil: str | None, corrupt: str | None, bos: bool | None, seed: int) -> Material:
    """Prepare everything; refuses what the model cannot take before any other work is done."""
    prediction = predict(model, prompt, bos=bos)
    candidates = counterfactuals(prompt, model, target, foil, corrupt, seed, bos)
    if candidates.best is None:
        rule = candidates.rule
        family, untested = Task.of([], "siblings"), rule[0].lower() + rule[1:].rstrip(".")
    else:
        pair = candidates.best.pair
        family = siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=SIBLINGS, seed=seed, bos=bos)
        untested = "" if len(family) else "; ".join(family.notes)
    search, evaluate = family.split(seed)
    right, wrong = candidates.answers
    warnings = [
        *_surprise(prediction, candidates.target, right),
        *(warning for given in (target, foil) if given for warning in _spaceless(model, prediction, given)),
        *family.notes,
        *([untested] if untested else []),
    ]
    return Material(
        model=model,
        prompt=prompt,
        bos=bos,
        seed=seed,
        ids=prediction.ids.tolist(),
        prediction=prediction,
        candidates=candidates,
        metric=LogitDifference(right, foils=wrong),
        search=search,
        evaluate=evaluate,
        untested=untested,
        warnings=list(dict.fromkeys(warnings)),
    )


def _surprise(prediction: Prediction, target: str, target_id: int) -> list[str]:
    """A warning where what is explained is not what the model would say."""
    if prediction.guesses[0] == target_id:
        return []
    probability = prediction.distribution[target_id].exp().item()
    first = f"`{prediction.guess_tokens[0]}` ({prediction.probabilities[0]:.1%})"
    return [f"the model's first guess is {first}, not the explained `{target}` ({probability:.1%})"]


def _spaceless(model: Model, prediction: Prediction, given: str) -> list[str]:
    """A warning where the token was given without the space before it, and with it is what the model would rather say."""
    assert model.tokenizer is not None
    if given[:1].isspace():
        return []
    try:
        meant = model.tokenizer.single(f" {given}")
    except InputError:
        return []
    given_id = model.tokenizer.single(given)
    if meant == given_id or prediction.distribution[meant] <= prediction.distribution[given_id]:
        return []
    return [f"`{given}` was taken without a space before it; with it, ` {given}`, the model finds it likelier: give it so if you mean that"]
