"""What features stand for, as far as that was found out before: the descriptions in the database that is shipped with a dictionary."""

from collections.abc import Sequence

from sonde.access import Model
from sonde.features import Features
from sonde.features.records import Description
from sonde.features.shipped import DATABASE


def described(model: Model, site: str, features: Sequence[int]) -> dict[int, Description]:
    """The best description of each feature, without those that have none; empty for a basis whose features the shipped database does not hold.

    Arguments:
        model: on which the basis is attached.
        site: of its coordinates.
        features: their numbers.

    >>> import sonde
    >>> from sonde.dictionaries import shipped
    >>> model = sonde.load("specimen:words").attach("blocks.1.resid_post", shipped(), "sae")
    >>> described(model, "blocks.1.resid_post.sae", [3])[3]["author"]
    'offline rules'
    """
    known = Features.load(DATABASE)
    asked = (site.rpartition(".")[0], model.bases[site].hash, model.hash)
    # the same dictionary at another site, or in another model, has other features
    if asked != (known.writes, known.about()["basis_hash"], known.recipe.model_hash):
        return {}
    return {feature: found[0] for feature in features if (found := known.descriptions(feature))}
