"""Encoded, and used? Several properties of one model by layer: what probes tell beside its controls, and what the model loses without each.

The sum of a `sweep` and an `amnesic` study of every property, over the same states and the same held-out examples. The probes whose success stands in
the table are the ones that its verdicts are about.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from sonde.access import Model
from sonde.probing.amnesic import SHARE, content_of, places_of, refuse_untold, removed
from sonde.probing.behaviour import Texts
from sonde.probing.erasure import Kind, everywhere
from sonde.probing.labelled import Labelled
from sonde.probing.pooling import Pooling
from sonde.probing.probes import Kind as ProbeKind
from sonde.probing.property_table_results import PropertyTable
from sonde.probing.reading import named as named_sites
from sonde.probing.reading import read_together
from sonde.probing.sweep import refuse_unknown, sweep_together
from sonde.results import InputError, Recipe
from sonde.results.plain import repeated
from sonde.tasks import Task

CONTROLS = ("untrained model",)


def property_table(
    model: Model, properties: Labelled | Mapping[str, Labelled], on: Task | Texts, sites: str | Sequence[str] | None = None,
    probe: str | ProbeKind = "logistic", kind: Kind = "leace", draws: int = 20, seeds: int = 3, controls: Sequence[str] = CONTROLS,
    pooling: Pooling = "last", seed: int = 0, batch_size: int | Literal["auto"] = "auto", progress: bool = False,
) -> PropertyTable:  # fmt: skip
    """Which of several properties a model encodes, at which sites, and which of them it uses.

    Arguments:
        model: does the task, or predicts the texts.
        properties: examples of one property, or of several by name; classes. What is asked of the same texts is read in one pass.
        on: what the model does: a task, or texts that took no part in the fitting.
        sites: names or globs; by default the embedding and what every block leaves behind. Each is read and erased by itself; of a selection, such as
            `blocks.2.resid_post[pos=-1]`, all tokens are read, and only those erased.
        probe: "logistic", "ridge" or "mlp", or settings.
        kind: of the erasers: "leace", "mean" or "inlp".
        draws: how many random erasers of each kind of control.
        seeds: draws of each random control of the probes.
        controls: as for `sweep`; the baselines that need no model are always there.
        pooling: as for `read_states`.
        seed: of the divisions and the draws.
        batch_size: texts per pass.
        progress: show bars.

    Raises:
        InputError: what `sweep` and `amnesic` refuse.

    >>> import sonde
    >>> model = sonde.load("specimen:words-small")
    >>> texts = [f"{article} {noun}" for article in ("The", "A", "My", "Her") for noun in ("key", "keys", "cat", "cats", "dog", "dogs")]
    >>> number = Labelled.of(texts, ["one", "many"] * 12, name="number")
    >>> found = property_table(model, number, ["The keys are here."], ["embed", "blocks.2.resid_post"], draws=2, seeds=1)
    >>> found.names, found.conclusions
    (['number'], ['not settled'])
    """
    named = {properties.name: properties} if isinstance(properties, Labelled) else dict(properties)
    refuse_untold(named, draws)
    refuse_unknown(probe, controls, seeds)
    places = places_of(model, named_sites(model, sites))
    wanted = [everywhere(place[0]) for place in places]
    if twice := repeated(wanted):
        raise InputError(f"{twice[0]} is asked for twice: name each site once, whole or at some positions")
    read = read_together(model, list(named.values()), wanted, pooling, batch_size, progress)
    sweeps = sweep_together(model, read, probe, seeds, controls, SHARE, seed, batch_size, progress)
    # the same examples are held out from the probes and from the erasers
    told = {name: [(right, one.controls["commonest"][0, 0]) for right in one.right] for name, one in zip(named, sweeps, strict=True)}
    given = {
        "properties": list(named), "sites": [str(place[0]) for place in places], "probe": probe, "kind": kind, "draws": draws, "seeds": seeds,
        "controls": list(controls), "pooling": pooling,
    }  # fmt: skip
    inputs = [[data.hash for data in named.values()], content_of(on)]
    recipe = Recipe.of("sonde.probing.property_table", given, model_hash=model.hash, inputs=inputs, seed=seed)
    removal = removed(model, dict(zip(named, read, strict=True)), told, on, places, kind, draws, seed, progress, recipe)
    return PropertyTable(list(named), wanted, sweeps, removal, recipe=recipe)
