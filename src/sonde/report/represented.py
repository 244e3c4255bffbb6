"""The probes that a report reads a prompt with: those that are shipped for the model."""

from sonde.access import Model
from sonde.probing import ShippedProbes, shipped
from sonde.probing.shipped.stored import WEIGHTS


def represented(model: Model) -> ShippedProbes | None:
    """The probes of the model's known properties; `None` where none are shipped for it, to the bit.

    Arguments:
        model: any.
    """
    if not (WEIGHTS / "words").is_dir():
        return None
    probes = shipped()
    return probes if probes.recipe.model_hash == model.hash else None
