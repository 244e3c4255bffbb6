"""Which tokens mattered?"""

import math
from dataclasses import replace
from functools import partial

from sonde import attribution as attributions
from sonde.access import Model
from sonde.attribution.check import tested
from sonde.report.chapters.base import Chapter, by_foil, named
from sonde.report.material import Contrast, Material
from sonde.results.document import Section
from sonde.tasks import Task

LEAD = (
    "How much each token of the prompt pushes towards the target and away from the foil, by three methods that fail in different ways. Where "
    "they disagree, at most one of them is right. What stands for an absent token is said below each; the claim is tested with another removal."
)
ABSENT = "pad"
METHODS = (
    attributions.gradient_x_input,
    partial(attributions.integrated_gradients, baseline=ABSENT),
    partial(attributions.occlusion, baseline=ABSENT),
)


def attribution(material: Material) -> Chapter:
    """Three maps for each foil, how far they agree, and whether the tokens that rank highest carry the answer in other prompts."""
    made = {contrast: [method(material.model, [material.ids], contrast.metric) for method in METHODS] for contrast in material.contrasts}
    first = made[material.contrasts[0]]
    agreement = attributions.agreement(first, material.seed)
    claim = attributions.check(material.model, material.evaluate, _coarsely, material.seed)
    claim = replace(claim, claim=_naming(first[1]), reason=material.untested or claim.reason)
    drawings = [by_foil(material, lambda contrast, i=i: made[contrast][i].drawing()) for i in range(len(METHODS))]  # type: ignore[misc]
    results = {_key(one, material, contrast): one for contrast, several in made.items() for one in several}
    section = Section("attribution", "Attribution", LEAD, [*drawings, agreement.drawing()])
    return Chapter(section, [claim], {**results, "attribution.agreement": agreement})


def _key(one: attributions.Attribution, material: Material, contrast: Contrast) -> str:
    return named(f"attribution.{one.method.replace(' ', '_')}", material, contrast)


def _naming(attribution: attributions.Attribution) -> str:
    """The claim about the highest tokens, with the names of this prompt's."""
    highest = attribution.highest(0, tested(attribution.special[0].count(False)))
    names = ", ".join(f"`{attribution.tokens[0][i]}`" for i in highest)
    return f"The tokens that {attribution.method} ranks highest (here {names}) carry the answer more than others."


def _coarsely(model: Model, task: Task) -> attributions.Attribution:
    """Integrated gradients for many prompts: their ranks, unlike their sum, need no fine path."""
    return attributions.integrated_gradients(model, task, baseline=ABSENT, steps=12, tolerance=math.inf)
