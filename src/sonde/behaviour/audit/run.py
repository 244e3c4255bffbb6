"""The counterfactual audit: the exact effect of changing attributes, one at a time, two at a time and all together.

For a case x and an attribute a, the effect of the value v is F(x with a = v) - F(x), and the interaction of two attributes is the second difference

    F(a = v, b = w) - F(a = v) - F(b = w) + F(x)

(Kusner et al. 2017 call a decision fair to a case if such a change, made with all that follows from it, leaves it as it is.) Nothing is estimated
from data: the model is asked. Beside the effects stands what attributions claim, as shares: a method that gives an attribute less than it does has
an under-claim gap max_a (share by intervention - share claimed), which catches what a rank correlation misses.
"""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.forward import logits_for
from sonde.access.inputs import Given
from sonde.behaviour.audit.changes import Implied, Row, Value, implying, jointly, refuse_unknown, together, values_of
from sonde.behaviour.audit.profiles import Profiles
from sonde.behaviour.audit.results import Audit
from sonde.jobs import track
from sonde.results import InputError, Recipe, SondeError, shown
from sonde.tasks import unit_of

Possible = Callable[[Row], bool]
Claim = Callable[[Model, Given, Metric], Any] | Mapping[str, float]
"""An attribution: from a model, inputs and a metric to values per input and place (or a result that holds them as `values`); or stated shares."""


def audit(
    model: Model,
    profiles: Profiles,
    attributes: Mapping[str, Sequence[Value]] | Sequence[str],
    of: Metric,
    *,
    implied: Implied | None = None,
    possible: Possible | None = None,
    decision: float = 0.0,
    claims: Mapping[str, Claim] | None = None,
    joint_cases: int = 32,
    batch_size: int = 256,
    seed: int = 0,
    progress: bool = True,
) -> Audit:
    """Change attributes of profiles and measure what that does to a model's output.

    Arguments:
        model: any model.
        profiles: the base cases, and how they are shown to the model.
        attributes: what is changed: names, or names with the values to try; at least the values of two.
        of: the output: from a run to one number per case, such as the logit of one class minus that of another.
        implied: what implies what: an attribute to the attributes that its values imply, each with a lexicon from the one's values to the other's.
        possible: whether a profile can exist; those that cannot are not asked about, and are counted.
        decision: the output above which a case is decided in favour.
        claims: attributions to compare with, by name.
        joint_cases: how many cases with all attributes changed are asked about for each profile; all of them where there are no more.
        batch_size: cases per pass.
        seed: of the joint cases, where they are drawn.
        progress: show a bar.

    Returns:
        Every output that was measured, from which the effects, shares, flips and comparisons are read.

    Raises:
        InputError: attributes or implications that don't fit the profiles, an output that is not finite, a claim that doesn't fit the inputs.

    >>> from sonde.behaviour import credit
    >>> example = credit()
    >>> found = audit(example.model, example.profiles, example.attributes, example.of, implied=example.implied)
    >>> round(found.shares()["gender"], 3), round(found.shares(joint=True)["gender"], 3)
    (0.0, 0.577)
    """
    for option, number in (("joint_cases", joint_cases), ("batch_size", batch_size)):
        if number < 1:
            raise InputError(f"{option}={number}: give 1 or more")
    values, implied = values_of(profiles, attributes), implied or {}
    refuse_unknown(profiles, implied)
    rng = random.Random(seed)
    asked = Questions(possible)
    asked.add("base", [[row] for row in profiles.rows])
    for name, chosen in values.items():
        asked.add(name, [[{**row, name: value} for value in chosen] for row in profiles.rows])
        if implying(name, implied):
            asked.add(f"{name} and what implies it", [[jointly(row, name, value, implied) for value in chosen] for row in profiles.rows])
    for a, b in itertools.combinations(values, 2):
        cells = list(itertools.product(values[a], values[b]))
        asked.add((a, b), [[{**row, a: v, b: w} for v, w in cells] for row in profiles.rows])
    everything = [together(row, values, joint_cases, rng) for row in profiles.rows]
    most = max(map(len, everything))
    asked.add("together", [cases + [{}] * (most - len(cases)) for cases in everything])
    found = asked.answers(model, profiles, of, batch_size, progress)
    base, outputs = found["base"][:, 0], {name: found[name] for name in values}
    if not bool(base.isfinite().any()):
        raise InputError(asked.refused[0] if asked.refused else "none of the profiles can exist: look at possible=")
    shown_to = profiles.select(base.isfinite().nonzero()[:, 0].tolist())
    return Audit(
        values={name: [str(value) for value in chosen] for name, chosen in values.items()},
        own={name: torch.tensor([_place(row[name], chosen) for row in profiles.rows]) for name, chosen in values.items()},
        base=base,
        outputs=outputs,
        joint={name: found[f"{name} and what implies it"] for name in values if implying(name, implied)},
        implying={name: [other for other in implying(name, implied) if other in values] for name in values if implying(name, implied)},
        pairs={f"{a}, {b}": found[a, b].unflatten(1, (len(values[a]), len(values[b]))) for a, b in itertools.combinations(values, 2)},
        together=found["together"],
        additive=_additive(base, outputs, values, everything, most),
        impossible=asked.impossible,
        refused=asked.refused,
        claims={name: claimed(model, shown_to, list(values), of, claim, name) for name, claim in (claims or {}).items()},
        decision=decision,
        unit=unit_of(of),
        recipe=Recipe.of(
            "sonde.behaviour.audit",
            {"attributes": {name: list(chosen) for name, chosen in values.items()}, "of": of, "implied": implied, "possible": possible,
             "decision": decision, "claims": list(claims or {}), "joint_cases": joint_cases},
            model_hash=model.hash, inputs=[dict(row) for row in profiles.rows], seed=seed,
        ),
    )  # fmt: skip


class UnfitOutput(InputError):
    """An output that no profile's fault explains: of the wrong shape, or not finite."""


class Questions:
    """Profiles that a model is asked about, each different one once.

    Arguments:
        possible: whether a profile can exist.
    """

    def __init__(self, possible: Possible | None = None) -> None:
        self._possible = possible
        self._numbers: dict[tuple[tuple[str, Value], ...], int] = {}
        self._rows: list[Row] = []
        self._asked: dict[Any, list[list[int]]] = {}
        self.impossible = 0
        """How many different profiles cannot exist."""
        self.refused: list[str] = []
        """The profiles that the model could not be shown, and why."""

    def add(self, name: Any, cases: Sequence[Sequence[Row]]) -> None:
        """Ask about some cases for each profile; an empty one stands for none, so that all profiles have as many."""
        self._asked[name] = [[self._number(row) if row else -1 for row in rows] for rows in cases]

    def answers(self, model: Model, profiles: Profiles, of: Metric, batch_size: int = 256, progress: bool = True) -> dict[Any, Tensor]:
        """The outputs under each name, [profile case]; NaN where there is no such case, or it could not be shown to the model.

        Raises:
            InputError: an output that is not finite; no profile that could be shown.
        """
        batches = [self._rows[i : i + batch_size] for i in range(0, len(self._rows), batch_size)]
        parts = [self._each(model, profiles, rows, of) for rows in track(batches, "auditing", shown=progress)]
        if self.refused and not any(bool(part.isfinite().any()) for part in parts):
            raise InputError(self.refused[0])
        outputs = torch.cat([*parts, torch.tensor([float("nan")])])  # which number -1 reads
        return {name: outputs[torch.tensor(numbers)] for name, numbers in self._asked.items()}

    def _each(self, model: Model, profiles: Profiles, rows: Sequence[Row], of: Metric) -> Float[Tensor, " row"]:
        """The outputs of a batch; where it is refused its rows are shown one by one, and those that are refused are noted."""
        try:
            return _outputs(model, profiles, rows, of)
        except UnfitOutput:
            raise
        except SondeError as error:
            if len(rows) == 1:
                self.refused.append(f"{shown(dict(rows[0]))}: {error}")
                return torch.tensor([float("nan")])
            return torch.cat([self._each(model, profiles, [row], of) for row in rows])

    def _number(self, row: Row) -> int:
        key = tuple(sorted(row.items()))
        if key not in self._numbers:
            if self._possible is not None and not self._possible(row):
                self.impossible += 1
                self._numbers[key] = -1
            else:
                self._numbers[key] = len(self._rows)
                self._rows.append(row)
        return self._numbers[key]


def _outputs(model: Model, profiles: Profiles, rows: Sequence[Row], of: Metric) -> Float[Tensor, " row"]:
    with torch.no_grad():
        outputs = of(model.run(profiles.render(rows), logits=logits_for(of))).detach().float().cpu()
    if outputs.shape != (len(rows),):
        raise UnfitOutput(f"the output must be one number per case: {len(rows)} cases gave {tuple(outputs.shape)}")
    bad = (~outputs.isfinite()).nonzero()[:, 0].tolist()
    if bad:
        raise UnfitOutput(f"the output is {float(outputs[bad[0]])} for {shown(rows[bad[0]])}: choose an output that is finite, such as a logit")
    return outputs


def claimed(model: Model, profiles: Profiles, names: Sequence[str], of: Metric, claim: Claim, method: str) -> Float[Tensor, "example attribute"]:
    """What an attribution gives each attribute: the sum over its tokens or columns.

    Arguments:
        model: the model.
        profiles: the cases.
        names: of the attributes.
        of: the output that was explained.
        claim: the attribution, or shares that are stated.
        method: its name, for errors.

    Raises:
        InputError: stated shares without one of the attributes, profiles whose inputs have no known places, values of another shape.
    """
    if isinstance(claim, Mapping):
        missing = [name for name in names if name not in claim]
        if missing:
            raise InputError(f"the claim {method!r} says nothing about {missing[0]!r}: give a share for each of {', '.join(names)}")
        return torch.tensor([[float(claim[name]) for name in names]])
    if profiles.places is None:
        raise InputError(f"where attributes stand in these inputs is not known, so {method!r} can't be compared: give its shares as a mapping")
    found = claim(model, profiles.render(profiles.rows), of)
    values = found if isinstance(found, Tensor) else getattr(found, "values", None)
    if not isinstance(values, Tensor) or values.ndim != 2 or len(values) != len(profiles):
        raise InputError(f"{method!r} gave {shown(values)}, and a claim is one number per case and place: a tensor ({len(profiles)} places)")
    places = [profiles.places(model, row) for row in profiles.rows]
    absent = next((name for name in names if name not in places[0]), None)
    if absent is not None:
        raise InputError(f"{absent!r} stands nowhere in the input, so {method!r} can say nothing about it; leave it out of the attributes")
    return torch.stack([torch.stack([values[i, list(at[name])].sum() for name in names]) for i, at in enumerate(places)]).detach().float().cpu()


def _place(value: Value, chosen: Sequence[Value]) -> int:
    return chosen.index(value) if value in chosen else -1


def _additive(
    base: Tensor, outputs: Mapping[str, Tensor], values: Mapping[str, Sequence[Value]], cases: Sequence[Sequence[Row]], most: int
) -> Float[Tensor, "example case"]:  # fmt: skip
    """What each joint change would do if the effects added up; NaN where there is no such case."""
    predicted = torch.full((len(cases), most), float("nan"))
    for i, rows in enumerate(cases):
        for j, row in enumerate(rows):
            effects = [outputs[name][i, chosen.index(row[name])] - base[i] for name, chosen in values.items()]
            predicted[i, j] = base[i] + torch.stack(effects).sum()
    return predicted
