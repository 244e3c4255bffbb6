"""One contrast of an audit, asked again on other profiles."""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.behaviour.audit.changes import Implied, Row, Value, jointly
from sonde.behaviour.audit.profiles import Profiles
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.behaviour.audit.results import Contrast


def effects_on(
    model: Model, profiles: Profiles, of: Metric, contrast: "Contrast", implied: Implied
) -> tuple[Float[Tensor, " example"], Float[Tensor, " example"]]:
    """What the second value of a contrast does instead of the first, in each profile; and the profiles' own outputs.

    Arguments:
        model: the model.
        profiles: other cases.
        of: the output.
        contrast: the attribute, its two values, and whether what implies it goes along.
        implied: what implies what.

    Raises:
        InputError: a joint contrast without what implies the attribute.
    """
    from sonde.behaviour.audit.run import Questions

    if contrast.joint and not any(contrast.attribute in implications for implications in implied.values()):
        raise InputError(f"{contrast.attribute} was changed together with what implies it: give implied= as in the audit")
    values = {str(value): value for value in profiles.values(contrast.attribute)}

    def changed(row: Row, name: str) -> dict[str, Value]:
        value = values.get(name, name)
        return jointly(row, contrast.attribute, value, implied if contrast.joint else {})

    asked = Questions()
    asked.add("both", [[row, changed(row, contrast.first), changed(row, contrast.second)] for row in profiles.rows])
    base, first, second = asked.answers(model, profiles, of, progress=False)["both"].unbind(1)
    return second - first, base
