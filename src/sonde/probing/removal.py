"""Take a concept out of a model's states, and see what probes find before and after.

Fitted on training examples, judged on others. Beside it: random directions, which must not take the concept out; an MLP, which shows that what is
gone is what is linear; and another property of the same examples, which should survive.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.jobs import track
from sonde.probing.commonest import commonest
from sonde.probing.division import divide
from sonde.probing.erasure import RANDOM, Kind, fitted, random_erasers, summed
from sonde.probing.labelled import Labelled
from sonde.probing.pooling import Pooling
from sonde.probing.probes import MLP, fit_logistic
from sonde.probing.reading import read_states
from sonde.probing.removal_results import Removal
from sonde.results import InputError, Recipe

SHARE = 0.2  # of the examples that are kept for the test, and of the rest for stopping the MLP


def remove(
    model: Model, data: Labelled, sites: str | Sequence[str] | None = None, kind: Kind = "leace", main: Labelled | None = None,
    pooling: Pooling = "last", draws: int = 5, seed: int = 0, progress: bool = False,
) -> Removal:  # fmt: skip
    """What probes find at each site before and after a concept is taken out there.

    Arguments:
        model: where.
        data: examples of the concept, with classes.
        sites: names or globs; by default the embedding and what every block leaves behind.
        kind: "leace", "mean" or "inlp".
        main: another property of the same examples, which should survive.
        pooling: as for `read_states`.
        draws: how many random erasers of each kind of control.
        seed: of the division into train and test, the probes and the draws.
        progress: show a bar.

    Raises:
        InputError: numbers in place of classes; a `main` of other examples; what `read_states` raises.

    >>> import sonde
    >>> model = sonde.load("specimen:words-small")
    >>> texts = [f"{article} {noun}" for article in ("The", "A", "My", "Her") for noun in ("key", "keys", "cat", "cats", "dog", "dogs")]
    >>> data = Labelled.of(texts, ["one", "many"] * 12, name="number")
    >>> found = remove(model, data, "blocks.1.resid_post", draws=2)
    >>> found.rank.tolist(), found.linear.shape
    ([1], torch.Size([1, 2, 5]))
    """
    if not data.classes or (main is not None and not main.classes):
        raise InputError("probes are compared by the classes that they tell, and the targets are numbers: bin them, or fit an eraser with `erase`")
    states = read_states(model, data, sites, pooling, progress=progress)
    held, y = states.data, states.y
    other = None if main is None else _aligned(main, held)
    train, test = divide(held.groups, SHARE, seed)
    inner, dev = (train[part] for part in divide(held.groups[train], SHARE, seed))
    columns: dict[str, list[Tensor]] = {name: [] for name in ("train", "linear", "mlp", "main", "random", "random_change")}
    erasers = []
    for site in track(states.sites, "removing", shown=progress):
        x = states[site]
        sums = summed(x[train], y[train])
        eraser = fitted(x[train], y[train], sums, kind, held.groups[train], seed)
        erasers.append(eraser)
        both = (x, eraser(x))
        linear = [_linear(one, y, train) for one in both]
        columns["train"].append(torch.stack([right[train].mean() for right in linear]))
        columns["linear"].append(torch.stack([right[test] for right in linear]))
        columns["mlp"].append(torch.stack([_mlp(one, y, inner, dev, test, len(held.classes), seed) for one in both]))
        if other is not None:
            columns["main"].append(torch.stack([_linear(one, other, train)[test] for one in both]))
        controls = [random_erasers(eraser, sums, draws, seed, by) for by in RANDOM]
        columns["random"].append(torch.stack([torch.stack([_linear(one(x), y, train)[test] for one in drawn]) for drawn in controls]))
        columns["random_change"].append(torch.tensor([[one.change for one in drawn] for drawn in controls]).mean(1))
    table = {name: torch.stack(found) for name, found in columns.items() if found}
    given = {"sites": states.sites, "kind": kind, "main": main and main.name, "pooling": pooling, "draws": draws, "property": data.name}
    return Removal(
        held.name, states.sites, kind, table["train"], table["linear"], table["mlp"], table.get("main"), main.name if main else "", table["random"],
        (commonest([0] * len(y), y, train, test) == y[test]).float(), held.groups[test],
        torch.tensor([one.rank for one in erasers]), torch.tensor([one.change for one in erasers]), table["random_change"],
        torch.tensor([one.before for one in erasers]), torch.tensor([one.residual for one in erasers]),
        torch.stack([states[site][train].var(0, correction=0).sum() for site in states.sites]),
        list(states.notes), recipe=Recipe.of("sonde.probing.remove", given, model_hash=model.hash, inputs=data.hash, seed=seed),
    )  # fmt: skip


def _linear(x: Float[Tensor, "example entry"], y: Int[Tensor, " example"], train: Int[Tensor, " train"]) -> Float[Tensor, " example"]:
    """Where a logistic probe is right, 1 or 0; it was fitted on the training examples."""
    return (fit_logistic(x[train], y[train], int(y.max()) + 1).predict(x) == y).float()


def _mlp(x: Tensor, y: Tensor, inner: Tensor, dev: Tensor, test: Tensor, n_classes: int, seed: int) -> Float[Tensor, " test"]:
    """Where an MLP is right."""
    probe = MLP().fit((x[inner], y[inner]), (x[dev], y[dev]), n_classes, seed)
    return (probe.predict(x[test]) == y[test]).float()


def _aligned(main: Labelled, held: Labelled) -> Int[Tensor, " example"]:
    """The other property's class of each example that was read."""
    places = {(main.texts[int(main.text[i])], main.spans[i]): i for i in range(len(main))} if not isinstance(main.texts, Tensor) else {}
    wanted = [(held.texts[int(held.text[i])], held.spans[i]) for i in range(len(held))] if not isinstance(held.texts, Tensor) else []
    if not wanted and len(main) == len(held):
        return main.targets
    missing = sum(one not in places for one in wanted)
    if missing or not wanted:
        raise InputError(f"main={main.name!r} says nothing of {missing} of the {len(held)} examples of {held.name!r}: label the same words")
    return main.targets[[places[one] for one in wanted]]
