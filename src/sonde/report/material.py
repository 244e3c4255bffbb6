"""What every chapter of an explanation draws on: the prediction, the contrast, the counterfactual, and the siblings in two halves."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor

from sonde import weights
from sonde.access import Model
from sonde.features import Features
from sonde.lens import Contributions, direct_contributions
from sonde.patching import Components, find_components
from sonde.report.prediction import Prediction, predict
from sonde.results import InputError, SiteUnavailable
from sonde.tasks import Candidates, LogitDifference, Task, counterfactuals, siblings
from sonde.tasks.pair import token_id
from sonde.tasks.prompt import tokenizer_of
from sonde.weights import HeadScores

_SCORES: "WeakKeyDictionary[Model, dict[tuple[str, int], HeadScores]]" = WeakKeyDictionary()
LONGEST_DRAWN = 256  # tokens: what can be read, and what keeps the page small
SIBLINGS = 32  # half to search on, half to judge: sixteen examples behind each interval


@dataclass(frozen=True, eq=False)
class Contrast:
    """The target against one foil.

    Arguments:
        foil, id: the foil, as text and as token.
        metric: logit of the target minus logit of this foil at the last token, on the prompt itself.
    """

    foil: str
    id: int
    metric: LogitDifference


@dataclass(frozen=True, eq=False)
class Material:
    """One prompt, prepared.

    Arguments:
        model, prompt, bos, seed: as given.
        ids: the prompt's tokens, special ones included.
        prediction: what the model says.
        candidates: the contrast, and the counterfactuals with the chosen one among them, if there is any.
        contrasts: the target against each foil; all claims are about the first.
        search, evaluate: siblings to choose on and siblings to judge on; may be empty.
        untested: why claims can't be tested on siblings; empty where they can.
        warnings: what a reader should know before trusting the report.
        foil_sentence: what the prompt is compared with as a sentence; empty where that is not asked.
        databases: of features of attached bases, beside the one that is shipped.
    """

    model: Model
    prompt: str
    bos: bool | None
    seed: int
    ids: list[int]
    prediction: Prediction
    candidates: Candidates
    contrasts: list[Contrast]
    search: Task
    evaluate: Task
    untested: str
    warnings: list[str]
    foil_sentence: str = ""
    databases: tuple[Features, ...] = ()
    _apart: dict[int, Contributions] = field(default_factory=dict)

    @functools.cached_property
    def components(self) -> Components:
        """The components that carry the answer, chosen on the search siblings."""
        return find_components(self.model, self.search, self.seed)

    @functools.cached_property
    def head_scores(self) -> HeadScores:
        """What every head was measured to do; measured once for a model, whatever the prompt."""
        known, key = _SCORES.setdefault(self.model, {}), (self.model.hash, self.seed)
        if key not in known:
            known[key] = weights.head_scores(self.model, n=16, draws=20, seed=self.seed)
        return known[key]

    def called(self, part: str) -> str:
        """A part by its name; a head with the role that tells most of it: "head 1.3 (induction head, 0.87)".

        Arguments:
            part: such as "head 1.3" or "MLP 0".
        """
        if not part.startswith("head "):
            return part
        try:
            roles = self.head_scores.roles(part[5:])
        except (SiteUnavailable, InputError):
            return part
        return f"{part} ({roles[0].name} head, {abs(roles[0].value):.2f})" if roles else part

    @functools.cached_property
    def patterns(self) -> Float[Tensor, "layer head query key"] | None:
        """Where every head looks in the prompt; `None` in families that do not show it, and where `undrawn` says so."""
        if self.undrawn:
            return None
        sites = [f"blocks.{i}.attn.pattern" for i in range(self.model.n_layers)]
        try:
            run = self.model.run([self.ids], read=sites, logits=False)
        except SiteUnavailable:
            return None
        return torch.stack([run[site][0] for site in sites]).float().cpu()

    @property
    def undrawn(self) -> str:
        """Why attention is not drawn on a prompt of this length; empty where it is."""
        n = len(self.ids)
        return f"the prompt has {n} tokens, and attention is drawn for at most {LONGEST_DRAWN}" if n > LONGEST_DRAWN else ""

    def here(self, contrast: Contrast) -> Task:
        """The prompt itself as a task of one example, against one foil; raises `InputError` where there is no counterfactual."""
        return replace(self.candidates.task(), wrongs=((contrast.id,),), metric=contrast.metric)

    def taken_apart(self, contrast: Contrast) -> Contributions:
        """What each part writes into the answer to the prompt, and to its counterfactual where there is one; computed once for each foil."""
        if contrast.id not in self._apart:
            inputs = [self.ids] if self.candidates.best is None else self.here(contrast)
            self._apart[contrast.id] = direct_contributions(self.model, inputs, contrast.metric)
        return self._apart[contrast.id]

    def examples(self, most: int = 6) -> list[tuple[str, str, str, bool, bool]]:
        """Some of the prompts on which claims are judged: each with its counterfactual, the answer, and whether the model prefers it in either."""
        task = self.evaluate
        if not len(task):
            return []
        prefers, still = (task.metric(self.model.run(rows, logits="last")) > 0 for rows in (task.clean, task.corrupt))
        columns = (task.texts, task.corrupt_texts, self.strings(task.targets.tolist()), prefers.tolist(), still.tolist())
        return list(zip(*columns, strict=True))[:most]

    def strings(self, ids: Iterable[int]) -> list[str]:
        """The text of some tokens."""
        return tokenizer_of(self.model).strings(list(ids))

    @property
    def corrupt(self) -> str | None:
        """The chosen counterfactual."""
        return None if self.candidates.best is None else self.candidates.best.pair.corrupt


def gather(
    model: Model, prompt: str, target: str | None, foils: Sequence[str], corrupt: str | None, bos: bool | None, seed: int, foil_sentence: str = ""
) -> Material:  # fmt: skip
    """Prepare everything; refuses what the model cannot take before any other work is done."""
    if foil_sentence and foil_sentence == prompt:
        raise InputError(f"the foil sentence is the prompt, {prompt!r}: an equal pair compares nothing; change a word in it")
    prediction = predict(model, prompt, bos=bos)
    candidates = counterfactuals(prompt, model, target, foils[0] if foils else None, corrupt, seed, bos)
    if candidates.best is None:
        rule = candidates.rule
        family, untested = Task.of([], "siblings"), rule[0].lower() + rule[1:].rstrip(".")
    else:
        pair = candidates.best.pair
        family = siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=SIBLINGS, seed=seed, bos=bos)
        untested = "" if len(family) else "; ".join(family.notes)
    search, evaluate = family.split(seed)
    right, _ = candidates.answers
    warnings = [
        *_surprise(prediction, candidates.target, right),
        *(warning for given in (target, *foils) if given for warning in _spaceless(model, prediction, given)),
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
        contrasts=_contrasts(model, candidates, foils[1:]),
        search=search,
        evaluate=evaluate,
        untested=untested,
        warnings=list(dict.fromkeys(warnings)),
        foil_sentence=foil_sentence,
    )


def _contrasts(model: Model, candidates: Candidates, more: Sequence[str]) -> list[Contrast]:
    """The target against the chosen foil, and against each further one."""
    right, wrong = candidates.answers
    ids = [right, wrong]
    for foil in more:
        ids.append(token_id(tokenizer_of(model), foil))
        if ids[-1] in ids[:-1]:
            raise InputError(f"the foil {foil!r} is the target or another foil: give each token once")
    foils = [candidates.foil, *tokenizer_of(model).strings(ids[2:])]
    return [Contrast(foil, i, LogitDifference(right, foils=i)) for foil, i in zip(foils, ids[1:], strict=True)]


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
