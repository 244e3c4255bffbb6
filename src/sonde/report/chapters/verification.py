"""Does it hold when the found parts are taken out together?"""

from sonde import patching as patches
from sonde.report.chapters.base import Chapter
from sonde.report.material import Material
from sonde.results.document import Section

TITLE = "Verification"
LEAD = (
    "The found components, all together, on prompts that took no part in choosing them, against random sets of the same size. A claim "
    "holds only if the 95 % interval of measured minus control excludes zero and the measured value reaches its threshold."
)


def verification(material: Material) -> Chapter:
    """Whether the found set is needed, and whether it is enough."""
    reason = material.untested or ("" if material.components.found else "no component reached a tenth of the gap on the search prompts")
    if reason:
        return Chapter(Section("verification", TITLE, LEAD), [patches.nothing_found(reason)])
    found = [material.components.sites[i] for i in material.components.found]
    tested = patches.verify(material.model, material.evaluate, found, material.components.sites, material.seed)
    return Chapter(Section("verification", TITLE, LEAD, [tested.drawing()]), tested.verdicts, {"verification": tested})
