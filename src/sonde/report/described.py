"""What features stand for, as far as that was found out before: the descriptions in databases of features, the shipped one among them."""

from collections.abc import Sequence

from sonde.access import Model
from sonde.features import Features
from sonde.features.records import Description
from sonde.features.shipped import DATABASE
from sonde.results import InputError


def described(model: Model, site: str, features: Sequence[int], databases: Sequence[Features] = ()) -> dict[int, Description]:
    """The best description of each feature, without those that have none; empty for a basis whose features no database holds.

    Arguments:
        model: on which the basis is attached.
        site: of its coordinates.
        features: their numbers.
        databases: what is known of them; the shipped one is asked after these.

    >>> import sonde
    >>> from sonde.dictionaries import shipped
    >>> model = sonde.load("specimen:words").attach("blocks.1.resid_post", shipped(), "sae")
    >>> described(model, "blocks.1.resid_post.sae", [3])[3]["author"]
    'offline rules'
    """
    known = next((one for one in (*databases, Features.load(DATABASE)) if _holds(one, model, site)), None)
    return {} if known is None else {feature: found[0] for feature in features if (found := known.descriptions(feature))}


def refuse_others(model: Model, databases: Sequence[Features]) -> None:
    """Refuse databases that hold the features of no basis that is attached.

    Arguments:
        model: on which bases are attached.
        databases: of features.

    Raises:
        InputError: one of another model, basis or site.
    """
    for one in databases:
        if one.recipe.model_hash != model.hash:
            raise InputError(f"{one.folder} was collected in another model ({one.recipe.model_hash}, this is {model.hash}): collect it again here")
        if not any(_holds(one, model, site) for site in model.bases):
            attached = ", ".join(f"{basis.hash} at {site.rpartition('.')[0]}" for site, basis in model.bases.items()) or "nothing"
            raise InputError(
                f"{one.folder} holds features of {one.about()['basis_hash']} at {one.writes}, but attached is {attached}: attach that one there"
            )


def _holds(known: Features, model: Model, site: str) -> bool:
    """Whether these are the features at a site: the same basis at another site, or in another model, has others."""
    asked = (site.rpartition(".")[0], model.bases[site].hash, model.hash)
    return asked == (known.writes, known.about()["basis_hash"], known.recipe.model_hash)
