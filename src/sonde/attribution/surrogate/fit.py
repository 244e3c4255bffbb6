"""A surrogate: a small tree that imitates a model, on the few columns that the model uses.

It is fitted to what the model says, never to the labels: fitted to labels it would explain the data. Fidelity (does it say what the model says?) and
accuracy (is it right?) are two things, and a surrogate may be more accurate than its model: that is the selection of columns, and explains nothing.
Both are measured on rows that the surrogate was not fitted to, and beside the fidelity stands that of trees on columns drawn at random.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access import Metric, Model
from sonde.attribution.surrogate.importance import correlated_groups, importances
from sonde.attribution.surrogate.results import Fidelity, Surrogate
from sonde.attribution.surrogate.rules import Columns, rules_of
from sonde.attribution.surrogate.trees import fit_tree
from sonde.evidence import bootstrap, wilson
from sonde.results import InputError, Recipe

TOP = 20
RANDOM = 5  # draws of random columns


def surrogate(
    model: Model,
    inputs: Float[Tensor, "row column"],
    of: Metric | None = None,
    *,
    names: Sequence[str] = (),
    labels: Int[Tensor, " row"] | None = None,
    together: Mapping[str, Sequence[int]] | None = None,
    scales: Mapping[str, tuple[float, float]] | None = None,
    k: int = TOP,
    depth: int = 6,
    trees: int = 100,
    held_out: float = 0.3,
    seed: int = 0,
) -> Surrogate:
    """Imitate a model of tables by a tree and a forest.

    Arguments:
        model: takes rows of numbers and returns a logit for each class.
        inputs: rows, without their labels.
        of: what is imitated: a metric, whose classes are not above 0, and above 0; by default the class that the model says.
        names: of the columns.
        labels: the true classes, for the accuracy; nothing is fitted to them.
        together: the columns of each attribute that takes several (`Encoder.places`), so that a counterfactual keeps them whole.
        scales: by name, the mean and the deviation by which a column was standardised (`Encoder.scales`), so that rules speak in its own unit.
        k: how many columns are kept, or groups of columns that are correlated by more than 0.9.
        depth: the most questions that the tree asks in a row.
        trees: of the forest.
        held_out: the share of rows for fidelity and rules.
        seed: of the split, the permutations, the random columns and the trees.

    Returns:
        The tree with its rules, the columns, the fidelities.

    Raises:
        InputError: inputs that are no table, too few rows, names or labels that don't fit, a model that says one class only.

    >>> import sonde
    >>> x = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    >>> module = torch.nn.Linear(3, 2, bias=False)
    >>> _ = module.weight.data.copy_(torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    >>> found = surrogate(sonde.load(module), x, names=["a", "b", "c"])
    >>> found.columns[:1], found.rules[0].text.split()[0]
    (['b'], 'b')
    """
    names = list(names) or [f"column {i}" for i in range(inputs.shape[1] if inputs.ndim == 2 else 0)]
    _refuse(inputs, names, labels, k, depth, held_out)
    inputs = inputs.detach().float().cpu()
    imitated = Imitated(model, of)
    scores = imitated.scores(inputs)
    classes = imitated.classes(scores)
    if len(said := classes.unique()) < 2:
        raise InputError(f"the model says class {int(said[0])} of all {len(inputs)} rows: there is nothing to imitate; give other rows")
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    cut = round(held_out * len(inputs))
    test, train = order[:cut], order[cut:]
    groups = correlated_groups(inputs[train])
    importance, note = importances(model, imitated.scores, inputs[train], groups, seed)
    ranked = importance.argsort(descending=True).tolist()
    chosen = torch.tensor(sorted(column for g in ranked[:k] for column in groups[g]))
    n_classes = max(int(classes.max()) + 1, 2) if of is not None else scores.shape[1]
    tree = fit_tree(inputs[train], classes[train], n_classes, chosen, depth, seed)
    generator = torch.Generator().manual_seed(seed)
    drawn = [
        torch.tensor(sorted(c for g in torch.randperm(len(groups), generator=generator)[:k].tolist() for c in groups[g]))
        for _ in range(RANDOM if k < len(groups) else 0)
    ]
    controls = [fit_tree(inputs[train], classes[train], n_classes, columns, depth, seed) for columns in drawn]
    attributes = {name: list(places) for name, places in (together or {}).items()}
    one_hot = sorted(column for places in attributes.values() if len(places) > 1 for column in places)
    described = Columns(names, {name: (mean, deviation) for name, (mean, deviation) in (scales or {}).items()}, one_hot)
    rules, dropped = rules_of(tree, inputs[test], classes[test], described)
    truth = None if labels is None else labels[test]
    forest, r_squared = _forest(inputs, classes, scores, chosen, train, test, depth, trees, seed)
    tree_says = tree(inputs[test]).argmax(1)
    fidelities = [
        _share("fidelity of the tree", tree_says == classes[test], [one(inputs[test]).argmax(1) == classes[test] for one in controls]),
        _share("fidelity of the forest", forest == classes[test]),
        *r_squared,
    ]
    if truth is not None:
        told = {"model": classes[test], "tree": tree_says, "forest": forest}
        fidelities += [_share(f"accuracy of the {name}", says == truth) for name, says in told.items()]
    return Surrogate(
        tree=tree,
        controls=controls,
        rules=rules,
        dropped=dropped,
        described=described,
        groups=groups,
        importance=importance,
        chosen=chosen,
        fidelities=fidelities,
        seen=inputs[train][:1000],
        together=attributes,
        notes=[note] if note else [],
        recipe=Recipe.of(
            "sonde.attribution.surrogate", {"of": of, "k": k, "depth": depth, "trees": trees, "held_out": held_out}, model_hash=model.hash,
            inputs=inputs, seed=seed,
        ),
    )  # fmt: skip


class Imitated:
    """What of a model is imitated: its probabilities and the class it says, or a metric and its sign.

    Arguments:
        model: the model.
        of: a metric; by default the classes.
    """

    def __init__(self, model: Model, of: Metric | None) -> None:
        self._model, self._of = model, of

    def scores(self, inputs: Float[Tensor, "row column"]) -> Float[Tensor, "row output"]:
        """The probability of each class, or the metric in one column."""
        with torch.no_grad():
            run = self._model.run(inputs)
            if self._of is not None:
                return self._of(run).detach().float().cpu()[:, None]
            if not isinstance(run.logits, Tensor) or run.logits.ndim != 2 or run.logits.shape[1] < 2:
                raise InputError(f"{self._model.name} returns no logit for each class: say what is to be imitated with of=")
            return run.logits.float().softmax(-1).cpu()

    def classes(self, scores: Float[Tensor, "row output"]) -> Int[Tensor, " row"]:
        """The class of each row."""
        return scores.argmax(1) if self._of is None else (scores[:, 0] > 0).long()


def _forest(
    inputs: Tensor, classes: Tensor, scores: Tensor, columns: Tensor, train: Tensor, test: Tensor, depth: int, trees: int, seed: int
) -> tuple[Int[Tensor, " row"], list[Fidelity]]:
    """What a forest says, and the share of the variance of the scores that regression by a tree and by a forest explains."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.tree import DecisionTreeRegressor

    x, y = inputs[:, columns].numpy(), scores.squeeze(1).numpy()
    said = RandomForestClassifier(trees, random_state=seed).fit(x[train], classes[train].numpy()).predict(x[test])
    kinds = {"tree": DecisionTreeRegressor(max_depth=depth, random_state=seed), "forest": RandomForestRegressor(trees // 2 or 1, random_state=seed)}
    explained = []
    for name, kind in kinds.items():
        guessed = torch.as_tensor(kind.fit(x[train], y[train]).predict(x[test])).reshape(len(test), -1)
        explained.append(_explained(f"R2 of the {name}", guessed.double(), scores[test].double()))
    return torch.as_tensor(said).long(), explained


def _share(name: str, hits: Bool[Tensor, " row"], control: Sequence[Tensor] = ()) -> Fidelity:
    hit, n = int(hits.sum()), len(hits)
    return Fidelity(name, hit / n, wilson(hit, n), n, float(torch.stack(list(control)).double().mean()) if control else None)


def _explained(name: str, guessed: Float[Tensor, "row output"], scores: Float[Tensor, "row output"]) -> Fidelity:
    """1 - residual variance / variance: a function of means over rows."""
    d = scores.shape[1]
    rows = torch.cat([(guessed - scores).square().sum(1, keepdim=True), scores.square().sum(1, keepdim=True), scores], dim=1)

    def r_squared(means: Tensor) -> Tensor:
        return 1 - means[..., 0] / (means[..., 1] - means[..., 2 : 2 + d].square().sum(-1))

    low, high = bootstrap(rows, of=r_squared, draws=500)
    return Fidelity(name, float(r_squared(rows.mean(0))), (float(low), float(high)), len(rows), None)


def _refuse(inputs: Tensor, names: Sequence[str], labels: Tensor | None, k: int, depth: int, held_out: float) -> None:
    if inputs.ndim != 2 or not inputs.is_floating_point():
        raise InputError(f"a surrogate imitates a model of tables: give rows of numbers (row column), not {inputs.dtype} {tuple(inputs.shape)}")
    if not bool(inputs.isfinite().all()):
        raise InputError(f"{int((~inputs.isfinite()).any(1).sum())} rows hold numbers that are not finite; fill or leave them out first")
    if len(names) != inputs.shape[1]:
        raise InputError(f"{len(names)} names for {inputs.shape[1]} columns; give one for each")
    if labels is not None and len(labels) != len(inputs):
        raise InputError(f"{len(labels)} labels for {len(inputs)} rows; give one for each")
    if not 0 < held_out < 1 or min(held_out, 1 - held_out) * len(inputs) < 20:
        raise InputError(f"held_out={held_out} of {len(inputs)} rows leaves fewer than 20 on one side; give more rows")
    for name, value in (("k", k), ("depth", depth)):
        if value < 1:
            raise InputError(f"{name}={value}: give 1 or more")
