"""The features that a report speaks of: those of the bases attached to a model, else of the dictionary that is shipped for it."""

from sonde.access import Model
from sonde.dictionaries import shipped
from sonde.dictionaries.shipped.stored import SITE, WEIGHTS

SIZE = 512
NAME = "sae"


def featured(model: Model) -> Model | None:
    """A handle with features: the model itself where a basis is attached to it, else one with its shipped dictionary; `None` where it has none.

    Arguments:
        model: any.
    """
    if model.bases:
        return model
    # without the weights of a dictionary there is nothing to compare hashes with, which costs a pass over the model's own
    if not (WEIGHTS / f"words-{SIZE}-0").is_dir() or not model.architecture.sites:
        return None
    dictionary = shipped(SIZE)
    return model.attach(SITE, dictionary, NAME) if dictionary.metadata.get("model_hash") == model.hash else None
