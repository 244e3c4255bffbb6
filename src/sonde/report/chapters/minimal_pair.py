"""Which of two sentences does the model prefer, and where do they part?"""

from sonde.behaviour import minimal_pair as compared
from sonde.report.chapters.base import Chapter
from sonde.report.material import Material
from sonde.results.document import Section

LEAD = (
    "The prompt as a sentence beside the foil sentence, by the log-probability of all tokens of each. One pair is one measurement: whether the model "
    "knows the rule behind it takes many pairs, as `sonde behaviour pairs` compares them."
)


def minimal_pair(material: Material) -> Chapter:
    """The prompt and the foil sentence, token by token."""
    found = compared(material.model, material.prompt, material.foil_sentence, bos=material.bos)
    return Chapter(Section("minimal_pair", "Minimal pair", LEAD, [found.drawing()]), [], {"minimal_pair": found})
