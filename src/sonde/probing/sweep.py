"""From which layer on can a property be read? A probe at every layer, beside everything that could explain its success.

What a probe tells may be the commonest class, the word's place, the word itself, the wiring of an untrained network, or its own memory. Each has a
control here, learnt and judged on the same examples; no sentence is divided between them.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import shuffled
from sonde.jobs import track
from sonde.probing.baselines import baselines, known_types
from sonde.probing.held_out import Parts, three_parts
from sonde.probing.judging import Judged, auc, judged, macro_f1, rightness
from sonde.probing.labelled import Labelled
from sonde.probing.pooling import Pooling
from sonde.probing.probes import Kind, kind_of
from sonde.probing.random_labels import control_labels, has_candidates
from sonde.probing.reading import read_states
from sonde.probing.states import States
from sonde.probing.sweep_results import CONTROL_TASK, ProbeSweep
from sonde.probing.untrained import BROKEN, broken
from sonde.results import InputError, Recipe, shown

SHUFFLED = "shuffled labels"
CONTROLS = (SHUFFLED, CONTROL_TASK, "untrained model")
KNOWN = (SHUFFLED, CONTROL_TASK, *BROKEN)


def sweep(
    model: Model, data: Labelled, sites: str | Sequence[str] | None = None, probe: str | Kind = "logistic", pooling: Pooling = "last",
    seeds: int = 5, controls: Sequence[str] = CONTROLS, share: float = 0.2, seed: int = 0, batch_size: int | Literal["auto"] = "auto",
    progress: bool = False,
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

    Returns:
        How right the probes are on examples that they never saw, beside the controls.

    Raises:
        InputError: an unknown control or probe, or what `read_states` refuses.

    >>> import sonde
    >>> model = sonde.load("specimen:words-small")
    >>> words = ["key", "keys", "box", "boxes", "dog", "dogs", "cat", "cats", "cup", "cups"]
    >>> data = Labelled.of(words, ["one", "many"] * 5, name="number")
    >>> sweep(model, data, seeds=1, controls=["shuffled labels"]).right.shape[0] == model.n_layers + 1
    True
    """
    _refuse_unknown(controls, seeds)
    kind = kind_of(probe)
    states = read_states(model, data, sites, pooling, batch_size, progress)

    def read_again(way: str, draw: int) -> States:
        return read_states(broken(model, way, seed + draw), states.data, states.sites, pooling, batch_size)

    arguments = {"sites": states.sites, "probe": probe, "pooling": pooling, "seeds": seeds, "controls": list(controls), "share": share}
    recipe = Recipe.of("sonde.probing.sweep", arguments, model_hash=model.hash, inputs=data.hash, seed=seed)
    return _swept(states, kind, seeds, controls, read_again, three_parts(states.data.groups, share, seed), seed, progress, recipe)


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
    _refuse_unknown(controls, seeds)
    if needing := [name for name in controls if name in BROKEN]:
        raise InputError(f"the control {needing[0]!r} runs the model: use sweep(model, data), or leave it out")
    arguments = {"sites": states.sites, "probe": probe, "seeds": seeds, "controls": list(controls), "share": share}
    recipe = Recipe.of("sonde.probing.sweep_states", arguments, model_hash=states.model_hash, inputs=states.data.hash, seed=seed)
    return _swept(states, kind_of(probe), seeds, controls, None, three_parts(states.data.groups, share, seed), seed, progress, recipe)


def _swept(
    states: States, kind: Kind, seeds: int, controls: Sequence[str], read_again: Callable[[str, int], States] | None, parts: Parts, seed: int,
    progress: bool, recipe: Recipe,
) -> ProbeSweep:  # fmt: skip
    """All probes, then those of the controls, draw by draw: a model that learnt nothing is read once for all sites, and only its scores are kept."""
    y, n_classes, held = states.y, len(states.data.classes), states.y[parts.test]
    found: list[Judged] = [judged(kind, states[site], y, parts, n_classes, seed) for site in track(states.sites, "probing", shown=progress)]
    drawn: dict[str, Float[Tensor, "draw site test"]] = {}
    notes, known = [], known_types(states, parts)
    for name in controls:
        if name == CONTROL_TASK and not bool(known.any()):
            notes.append("no control task: no word of the test occurs in the training, so there is nothing to remember")
            continue
        draws = []
        try:
            for draw in track(range(seeds), name, shown=progress):
                there, labels = states, y
                if name == SHUFFLED:
                    labels = shuffled(y, seed + draw)
                elif name == CONTROL_TASK:
                    labels = control_labels(states.data, seed + draw)
                elif read_again is not None:
                    there = read_again(name, draw)
                rows = [judged(kind, there[site], labels, parts, n_classes, seed + draw).right for site in states.sites]
                draws.append(torch.stack(rows))
        except InputError as error:
            notes.append(f"no control by the {name}: {error}")
            continue
        drawn[name] = torch.stack(draws)
        if name == CONTROL_TASK:
            drawn[name][:, :, ~known] = torch.nan
            notes.append("the control task gives the first, the last or the nearest candidate, by word type" if has_candidates(states.data) else "")
    learnt = y[torch.cat([parts.train, parts.dev])]
    for name, said in baselines(states, parts).items():
        drawn[name] = rightness(said, held, learnt).expand(1, len(states.sites), -1).clone()
    unsure = [site for site, one in zip(states.sites, found, strict=True) if not getattr(one.probe, "converged", True)]
    notes.append(f"the search for the probes at {', '.join(unsure)} ended before the gradient vanished" if unsure else "")
    return ProbeSweep(
        name=states.data.name, classes=states.data.classes, probe=type(kind).__name__.lower(), sites=states.sites,
        width=[states[site].shape[1] for site in states.sites],
        right=torch.stack([one.right for one in found]), bits=torch.stack([one.bits for one in found]),
        macro_f1=[macro_f1(one.said, held) if n_classes else float("nan") for one in found],
        auc=[auc(one.margin, held) if n_classes == 2 else float("nan") for one in found], dev=[one.dev for one in found],
        groups=states.data.groups[parts.test], controls=drawn, trained_on=len(parts.train), types=len(set(states.data.types)),
        probes=[one.probe for one in found], notes=[note for note in (*states.notes, *notes) if note], recipe=recipe,
    )  # fmt: skip


def _refuse_unknown(controls: Sequence[str], seeds: int) -> None:
    if strange := [name for name in controls if name not in KNOWN]:
        raise InputError(f"there is no control {shown(strange[0], 40)}: take some of {', '.join(KNOWN)}")
    if seeds < 1:
        raise InputError(f"seeds={seeds}: a random control is drawn at least once")
