"""Which tokens mattered?"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sonde import attribution as attributions
from sonde.attribution import Attribution
from sonde.attribution.check import carried, tested
from sonde.attribution.evaluation import OtherExamples, curves, direct_query
from sonde.report.chapters.base import Chapter, by_foil, named
from sonde.report.material import Contrast, Material
from sonde.results import Drawing, Result, SiteUnavailable, Verdict
from sonde.results.document import Section

LEAD = (
    "How much each token of the prompt pushes towards the target and away from the foil, by methods that fail in different ways. Where they "
    "disagree, at most one of them is right. What stands for an absent token is said below each; the claim is tested with another removal.\n\n"
    "What a token is worth against a baseline is one question; what the model says when the token is another one is a second, and is asked directly."
)
ABSENT = "pad"
SETS = 128  # of tokens that KernelSHAP asks about: enough for the order in a short prompt, with its standard errors
DRAWN = 8  # siblings along whose order the metric is drawn; the claim is judged on all
OTHERS = 8  # words that are put in the place of the highest token

Method = Callable[..., Attribution]

METHODS: dict[str, Method] = {
    "gradient_x_input": attributions.gradient_x_input,
    "integrated_gradients": partial(attributions.integrated_gradients, baseline=ABSENT),
    "lrp": attributions.lrp,
    "occlusion": partial(attributions.occlusion, baseline=ABSENT),
    "kernel_shap": partial(attributions.kernel_shap, baseline=ABSENT, samples=SETS),
}

# those that are asked about many prompts, where ranks count and sums don't
RANKING: dict[str, Method] = {
    name: partial(METHODS[name], **({"steps": 12, "tolerance": math.inf} if name == "integrated_gradients" else {}))
    for name in ("gradient_x_input", "integrated_gradients", "lrp", "occlusion")
}


def attribution(material: Material) -> Chapter:
    """A map by each method for each foil, how far they agree, and whether what the best of them ranks highest carries the answer elsewhere."""
    made, missing = _applied(material)
    first = made[material.contrasts[0]]
    drawings = [by_foil(material, lambda contrast, name=name: made[contrast][name].drawing()) for name in first]  # type: ignore[misc]
    agreement = attributions.agreement(list(first.values()), material.seed)
    name, chosen = _chosen(material, first)
    claim, judged = _judged(material, name, first[name])
    results: dict[str, Result] = {
        named(f"attribution.{name}", material, contrast): one for contrast, several in made.items() for name, one in several.items()
    }
    results |= {"attribution.agreement": agreement, "attribution.chosen": first[name]}
    lead = "\n\n".join([LEAD, chosen, *missing])
    return Chapter(Section("attribution", "Attribution", lead, [*drawings, agreement.matrix(), *judged]), [claim], results)


def _applied(material: Material) -> tuple[dict[Contrast, dict[str, Attribution]], list[str]]:
    """Every method's map for each foil; and, of methods that this model does not serve, why not."""
    made: dict[Contrast, dict[str, Attribution]] = {contrast: {} for contrast in material.contrasts}
    missing = []
    for name, method in METHODS.items():
        try:
            for contrast in material.contrasts:
                made[contrast][name] = method(material.model, [material.ids], contrast.metric)
        except SiteUnavailable as reason:
            missing.append(f"Not shown is {name}: {reason}.")
    return made, missing


def _chosen(material: Material, first: dict[str, Attribution]) -> tuple[str, str]:
    """The method whose highest tokens carry most on the search siblings, and how that was found; the claim is judged on others."""
    model, task = material.model, material.search
    if not len(task):
        return "integrated_gradients", "The claim is about integrated gradients."
    tried = [name for name in RANKING if name in first]
    lost = {name: float(carried(model, task, RANKING[name](model, task), material.seed).mean()) for name in tried}
    best = sorted(tried, key=lambda name: -lost[name])
    order = ", ".join(f"{first[name].method} {lost[name]:.1f}" for name in best)
    return best[0], f"Chosen on {len(task)} search prompts, by the logits lost without the highest tokens, to be tested on others: {order}."


def _judged(material: Material, name: str, here: Attribution) -> tuple[Verdict, list[Drawing]]:
    """The claim about the highest tokens on siblings, the metric along the order of all tokens, and with other words in the highest place."""
    model, task, method = material.model, material.evaluate, RANKING[name]
    drawings = []
    if len(task) > 1:
        found = method(model, task)
        few = task.select(range(min(DRAWN, len(task))))
        drawn = curves(model, few, method(model, few), removal=OtherExamples(draws=1), orders=3, seed=material.seed)
        drawings = [drawn.drawing(), *_exchanged(material, here)]
        method = lambda *_: found
    claim = attributions.check(model, task, method, material.seed)
    return replace(claim, claim=_naming(here), reason=material.untested or claim.reason), drawings


def _exchanged(material: Material, here: Attribution) -> list[Drawing]:
    """What the model says when the highest token is another of those that stand in its place in the siblings."""
    highest = here.highest(0, 1)
    if not highest or material.evaluate.length != len(material.ids):
        return []
    (place,) = highest
    others = [i for i in dict.fromkeys(row[place] for row in material.evaluate.clean) if i != material.ids[place]]
    if not others:
        return []
    values = material.strings(others[:OTHERS])
    response = direct_query(material.model, [material.ids], material.contrasts[0].metric, place=place, values=values)
    return [response.drawing()]


def _naming(attribution: Attribution) -> str:
    """The claim about the highest tokens, with the names of this prompt's."""
    highest = attribution.highest(0, tested(attribution.special[0].count(False)))
    names = ", ".join(f"`{attribution.tokens[0][i]}`" for i in highest)
    return f"The tokens that {attribution.method} ranks highest (here {names}) carry the answer more than others."
