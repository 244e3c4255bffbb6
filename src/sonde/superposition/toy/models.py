"""Toy models: when does a network store more features than it has dimensions? (Elhage et al. 2022, "Toy models of superposition".)"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sonde.results import Recipe, content_hash
from sonde.superposition.toy.inputs import Features, Relation
from sonde.superposition.toy.results import ToyModels
from sonde.superposition.toy.training import Setting, ToyTraining, train


def toy_models(
    n: int = 5, m: int = 2, sparsity: Sequence[float] = (0.0, 0.7, 0.9), decay: float = 1.0, relation: Relation = "independent", group: int = 2,
    linear: bool = True, config: ToyTraining | None = None, seed: int = 0, folder: str | Path | None = None, progress: bool = False,
) -> ToyModels:  # fmt: skip
    """Train toy models at several sparsities, all at once.

    Arguments:
        n: features.
        m: dimensions.
        sparsity: the share of inputs in which a feature is absent, for each setting.
        decay: feature i has importance decay^i. With equal importances any n directions that span the m dimensions evenly are as good for a linear
            model as m features alone.
        relation: how the features of a group go together.
        group: features of a group.
        linear: train the linear model beside each, the control.
        config: of the training.
        seed: of weights and inputs.
        folder: where a checkpoint is kept; the same call goes on from there.
        progress: show a bar.

    Returns:
        The models, with their geometry.

    Raises:
        InputError: a sparsity, a number of features or dimensions, or groups that make no sense.

    >>> toy_models(config=ToyTraining(steps=5, batch=16, seeds=2)).W.shape
    torch.Size([6, 2, 2, 5])
    """
    config = config or ToyTraining()
    features = Features(n, relation, group)
    importance = tuple(decay**i for i in range(n))
    settings = [Setting(float(s), importance, rectified) for rectified in ((True, False) if linear else (True,)) for s in sparsity]
    W, b, loss = train(settings, m, features, config, seed, None if folder is None else Path(folder), progress)
    arguments = {"n": n, "m": m, "sparsity": list(sparsity), "decay": decay, "relation": relation, "group": group, "linear": linear, **asdict(config)}
    recipe = Recipe.of("sonde.superposition.toy_models", arguments, model_hash=content_hash([W, b]), inputs=[features, settings], seed=seed)
    return ToyModels(tuple(settings), W, b, loss, relation, recipe=recipe)
