"""From which layer on can a property be read? A probe at every layer, beside everything that could explain its success.

What a probe tells may be the commonest class, the word's place, the word itself, the wiring of an untrained network, or its own memory. Each has a
control here, learnt and judged on the same examples; no sentence is divided between them.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import shuffled
from sonde.jobs import Pieces, track
from sonde.probing.baselines import baselines, known_types
from sonde.probing.held_out import Parts, three_parts
from sonde.probing.judging import Judged, auc, judged, macro_f1, rightness
from sonde.probing.labelled import Labelled
from sonde.probing.pooling import Pooling
from sonde.probing.probes import Kind, kind_of
from sonde.probing.random_labels import control_labels, has_candidates
from sonde.probing.reading import read_states, read_together
from sonde.probing.states import States
from sonde.probing.sweep_results import CONTROL_TASK, ProbeSweep
from sonde.probing.untrained import BROKEN, broken
from sonde.results import InputError, Recipe, content_hash, shown

SHUFFLED = "shuffled labels"
CONTROLS = (SHUFFLED, CONTROL_TASK, "untrained model")
KNOWN = (SHUFFLED, CONTROL_TASK, *BROKEN)


def sweep(
    model: Model, data: Labelled, sites: str | Sequence[str] | None = None, probe: str | Kind = "logistic", pooling: Pooling = "last",
    seeds: int = 5, controls: Sequence[str] = CONTROLS, share: float = 0.2, seed: int = 0, batch_size: int | Literal["auto"] = "auto",
    progress: bool = False, folder: str | Path | None = None,
) -> ProbeSweep:  # fmt: skip
    """Probe a property at every site.

    Arguments:
        model: what is probed.
        data: examples of the property.
        sites: names or globs; by default the embedding and what every block leaves behind.
        probe: "logistic", "ridge" or "mlp", or settings such as `MLP(hidden=64)`.
        pooling: what is read of a word of several tokens.
        seeds: draws of each random control.
        controls: "shuffled labels", "control task", "untrained model", "permuted weights"; the baselines that need no model are always there.
        share: of the examples that are kept for the test; whole groups.
        seed: of the division and of the draws.
        batch_size: texts per pass.
        progress: show bars.
        folder: keep what is finished there; a sweep that was interrupted reads the model again, and trains what is missing only.

    Returns:
        How right the probes are on examples that they never saw, beside the controls.

    Raises:
        InputError: an unknown control or probe, or what `read_states` refuses. SondeError: the folder holds pieces of another sweep.

    >>> import sonde
    >>> model = sonde.load("specimen:words-small")
    >>> words = ["key", "keys", "box", "boxes", "dog", "dogs", "cat", "cats", "cup", "cups"]
    >>> data = Labelled.of(words, ["one", "many"] * 5, name="number")
    >>> sweep(model, data, seeds=1, controls=["shuffled labels"]).right.shape[0] == model.n_layers + 1
    True
    """
    refuse_unknown(probe, controls, seeds)
    states = read_states(model, data, sites, pooling, batch_size, progress)
    return sweep_together(model, [states], probe, seeds, controls, share, seed, batch_size, progress, folder)[0]


def sweep_together(
    model: Model, given: Sequence[States], probe: str | Kind = "logistic", seeds: int = 5, controls: Sequence[str] = CONTROLS, share: float = 0.2,
    seed: int = 0, batch_size: int | Literal["auto"] = "auto", progress: bool = False, folder: str | Path | None = None,
) -> list[ProbeSweep]:  # fmt: skip
    """What `sweep` finds for each of several properties that were read already; a model that learnt nothing is read once for all of them.

    Arguments:
        model, probe, seeds, controls, share, seed, batch_size, progress, folder: as for `sweep`.
        given: the states of each property, at the same sites.
    """
    kind = refuse_unknown(probe, controls, seeds)

    def read_again(way: str, draw: int) -> list[States]:
        one = given[0]
        return read_together(broken(model, way, seed + draw), [states.data for states in given], one.sites, one.pooling, batch_size)  # type: ignore[arg-type]

    recipes = []
    for states in given:
        arguments = {"sites": states.sites, "probe": probe, "pooling": states.pooling, "seeds": seeds, "controls": list(controls), "share": share}
        recipes.append(Recipe.of("sonde.probing.sweep", arguments, model_hash=model.hash, inputs=states.data.hash, seed=seed))
    pieces = Pieces(folder, content_hash([[one.arguments, one.model_hash, one.inputs_hash, one.seed] for one in recipes]))
    return _swept(given, kind, seeds, controls, read_again, share, seed, progress, recipes, pieces)


def sweep_states(
    states: States, probe: str | Kind = "logistic", seeds: int = 5, controls: Sequence[str] = CONTROLS[:2], share: float = 0.2, seed: int = 0,
    progress: bool = False,
) -> ProbeSweep:  # fmt: skip
    """Probe activations that were read before, or elsewhere.

    Arguments:
        states: activations by site, with labels.
        probe: "logistic", "ridge" or "mlp", or settings.
        seeds: draws of each random control.
        controls: "shuffled labels", "control task"; the others need the model.
        share: of the examples that are kept for the test; whole groups.
        seed: of the division and of the draws.
        progress: show a bar.

    Raises:
        InputError: an unknown control or probe, or one that needs the model.
    """
    kind = refuse_unknown(probe, controls, seeds)
    if needing := [name for name in controls if name in BROKEN]:
        raise InputError(f"the control {needing[0]!r} runs the model: use sweep(model, data), or leave it out")
    arguments = {"sites": states.sites, "probe": probe, "seeds": seeds, "controls": list(controls), "share": share}
    recipe = Recipe.of("sonde.probing.sweep_states", arguments, model_hash=states.model_hash, inputs=states.data.hash, seed=seed)
    return _swept([states], kind, seeds, controls, None, share, seed, progress, [recipe], Pieces())[0]


def _swept(
    given: Sequence[States], kind: Kind, seeds: int, controls: Sequence[str], read_again: Callable[[str, int], list[States]] | None, share: float,
    seed: int, progress: bool, recipes: Sequence[Recipe], piece: Pieces,
) -> list[ProbeSweep]:  # fmt: skip
    """All probes, then those of the controls, draw by draw: a model that learnt nothing is read once for all, and only its scores are kept."""
    divided = [three_parts(states.data.groups, share, seed) for states in given]
    found: list[list[Judged]] = [[] for _ in given]
    for site in track(given[0].sites, "probing", shown=progress):
        for i, (states, parts) in enumerate(zip(given, divided, strict=True)):
            fit = partial(judged, kind, states[site], states.y, parts, len(states.data.classes), seed)
            found[i].append(piece(f"probe {i} {site}", fit))

    @lru_cache(maxsize=1)
    def there(name: str, draw: int) -> Sequence[States]:
        return read_again(name, draw) if name in BROKEN and read_again is not None else given

    def control(name: str, draw: int, i: int) -> Tensor | str:
        return _drawn(name, there(name, draw)[i], divided[i], kind, seed + draw)

    drawn: list[dict[str, Tensor]] = [{} for _ in given]
    notes: list[list[str]] = [[] for _ in given]
    for name in controls:
        rows: list[list[Tensor]] = [[] for _ in given]
        for draw in track(range(seeds), name, shown=progress):
            try:
                made = [piece(f"{name} {draw} {i}", partial(control, name, draw, i)) for i in range(len(given))]
            except InputError as error:
                for own in notes:
                    own.append(f"no control by the {name}: {error}")
                break
            for i, one in enumerate(made):
                if isinstance(one, str):
                    notes[i].append(one)
                else:
                    rows[i].append(one)
        for i, draws in enumerate(rows):
            if len(draws) < seeds:
                continue
            drawn[i][name] = torch.stack(draws)
            if name == CONTROL_TASK:
                drawn[i][name][:, :, ~known_types(given[i], divided[i])] = torch.nan
                notes[i].append(
                    "the control task gives the first, the last or the nearest candidate, by word type" if has_candidates(given[i].data) else ""
                )
    return [_result(kind, *one) for one in zip(given, divided, found, drawn, notes, recipes, strict=True)]


def _drawn(name: str, states: States, parts: Parts, kind: Kind, seed: int) -> Float[Tensor, "site test"] | str:
    """How right the probes of one draw of a control are, or why there are none."""
    labels = states.y
    if name == CONTROL_TASK and not bool(known_types(states, parts).any()):
        return "no control task: no word of the test occurs in the training, so there is nothing to remember"
    try:
        if name == SHUFFLED:
            labels = shuffled(labels, seed)
        elif name == CONTROL_TASK:
            labels = control_labels(states.data, seed)
        return torch.stack([judged(kind, states[site], labels, parts, len(states.data.classes), seed).right for site in states.sites])
    except InputError as error:
        return f"no control by the {name}: {error}"


def _result(
    kind: Kind, states: States, parts: Parts, found: Sequence[Judged], drawn: dict[str, Tensor], notes: Sequence[str], recipe: Recipe
) -> ProbeSweep:  # fmt: skip
    """The findings on one property, with the baselines that need no model."""
    n_classes, held = len(states.data.classes), states.y[parts.test]
    learnt = states.y[torch.cat([parts.train, parts.dev])]
    for name, said in baselines(states, parts).items():
        drawn[name] = rightness(said, held, learnt).expand(1, len(states.sites), -1).clone()
    unsure = [site for site, one in zip(states.sites, found, strict=True) if not getattr(one.probe, "converged", True)]
    ended = f"the search for the probes at {', '.join(unsure)} ended before the gradient vanished" if unsure else ""
    return ProbeSweep(
        name=states.data.name, classes=states.data.classes, probe=type(kind).__name__.lower(), sites=states.sites,
        width=[states[site].shape[1] for site in states.sites],
        right=torch.stack([one.right for one in found]), bits=torch.stack([one.bits for one in found]),
        macro_f1=[macro_f1(one.said, held) if n_classes else float("nan") for one in found],
        auc=[auc(one.margin, held) if n_classes == 2 else float("nan") for one in found], dev=[one.dev for one in found],
        groups=states.data.groups[parts.test], controls=drawn, trained_on=len(parts.train), types=len(set(states.data.types)),
        probes=[one.probe for one in found], notes=list(dict.fromkeys(note for note in (*states.notes, *notes, ended) if note)), recipe=recipe,
    )  # fmt: skip


def refuse_unknown(probe: str | Kind, controls: Sequence[str], seeds: int) -> Kind:
    """The kind of probe that is meant.

    Arguments:
        probe, controls, seeds: as for `sweep`.

    Raises:
        InputError: an unknown probe or control, or no draw.
    """
    if strange := [name for name in controls if name not in KNOWN]:
        raise InputError(f"there is no control {shown(strange[0], 40)}: take some of {', '.join(KNOWN)}")
    if seeds < 1:
        raise InputError(f"seeds={seeds}: a random control is drawn at least once")
    return kind_of(probe)
