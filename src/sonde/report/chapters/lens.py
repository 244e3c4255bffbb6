"""Where does the answer arise?"""

from sonde import lens as lenses
from sonde.evidence import untestable
from sonde.report.chapters.base import Chapter
from sonde.report.material import Material
from sonde.results.document import Section

LEAD = (
    "The residual stream after each block, read through the model's own final norm and unembedding: what it would say if it stopped there. "
    "Early layers may hold the answer in a form that this reading misses."
)


def lens(material: Material) -> Chapter:
    """What each layer would say, and from which layer on the answer can be read in other prompts."""
    read = lenses.logit_lens(material.model, [material.ids])
    check = lenses.check
    if material.untested:
        claim = untestable(check.CLAIM, check.MEASURE, material.untested, threshold=check.THRESHOLD, threshold_source=check.SOURCE)
    else:
        claim = lenses.readable_from(material.model, material.search, material.evaluate, material.seed)[1]
    return Chapter(Section("lens", "Logit lens", LEAD, [read.drawing(), read.courses()]), [claim], {"lens": read})
