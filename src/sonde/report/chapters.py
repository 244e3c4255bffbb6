"""The chapters of an explanation: each asks one question, gives its drawings, and hands over the verdicts on its claims."""

import math
from dataclasses import dataclass, field, replace

from sonde import attribution as attributions
from sonde import lens as lenses
from sonde import patching as patches
from sonde.access import Model
from sonde.attribution.check import tested
from sonde.evidence import untestable
from sonde.report.behaviour import behaviour
from sonde.report.material import Material
from sonde.results import Drawing, Result, Verdict
from sonde.results.document import Section, Sentence
from sonde.tasks import Task


@dataclass(frozen=True, eq=False)
class Chapter:
    """A section of the report, the verdicts on its claims, and the results behind it."""

    section: Section
    verdicts: list[Verdict] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)


def prediction(material: Material) -> Chapter:
    """What does the model say?"""
    said = material.prediction
    target, foil = material.candidates.target, material.candidates.foil
    claim = behaviour(material.model, material.evaluate, target, foil, material.untested, material.seed)
    lead = "The model's first guesses for the next token, and how surprised it was by each token of the prompt (surprisal, -log2 of its probability)."
    right, wrong = material.candidates.answers
    difference = (said.distribution[right] - said.distribution[wrong]).item()
    contrast = f"Explained is `{target}` against `{foil}`: here their logits differ by {difference:+.2f}."
    return Chapter(
        Section("prediction", "Prediction", lead, [said.drawing(), said.surprisal_drawing()], [Sentence(contrast)]),
        [claim],
        {"prediction": said},
    )


def attribution(material: Material) -> Chapter:
    """Which tokens mattered?"""
    lead = (
        "How much each token of the prompt pushes towards the target and away from the foil, by three methods that fail in different ways. Where "
        "they disagree, at most one of them is right. What stands for an absent token is said below each; the claim is tested with another removal."
    )
    model, prompt, metric = material.model, [material.ids], material.metric
    made = [
        attributions.gradient_x_input(model, prompt, metric),
        attributions.integrated_gradients(model, prompt, metric),
        attributions.occlusion(model, prompt, metric),
    ]
    agreement = attributions.agreement(made, material.seed)
    claim = attributions.check(model, material.evaluate, _coarsely, material.seed)
    claim = replace(claim, claim=_naming(made[1]), reason=material.untested or claim.reason)
    drawings = [*(one.drawing() for one in made), agreement.drawing()]
    results = {f"attribution.{one.method.replace(' ', '_')}": one for one in made}
    return Chapter(Section("attribution", "Attribution", lead, drawings), [claim], {**results, "attribution.agreement": agreement})


def _naming(attribution: attributions.Attribution) -> str:
    """The claim about the highest tokens, with the names of this prompt's."""
    highest = attribution.highest(0, tested(attribution.special[0].count(False)))
    names = ", ".join(f"`{attribution.tokens[0][i]}`" for i in highest)
    return f"The tokens that {attribution.method} ranks highest (here {names}) carry the answer more than others."


def _coarsely(model: Model, task: Task) -> attributions.Attribution:
    """Integrated gradients for many prompts: their ranks, unlike their sum, need no fine path."""
    return attributions.integrated_gradients(model, task, steps=12, tolerance=math.inf)


def lens(material: Material) -> Chapter:
    """Where does the answer arise?"""
    read = lenses.logit_lens(material.model, [material.ids])
    if material.untested:
        claim = untestable(
            lenses.check.CLAIM, lenses.check.MEASURE, material.untested, threshold=lenses.check.THRESHOLD, threshold_source=lenses.check.SOURCE
        )
    else:
        claim = lenses.readable_from(material.model, material.search, material.evaluate, material.seed)[1]
    lead = (
        "The residual stream after each block, read through the model's own final norm and unembedding: what it would say if it stopped there. "
        "Early layers may hold the answer in a form that this reading misses."
    )
    return Chapter(Section("lens", "Logit lens", lead, [read.drawing(), read.kl_drawing()]), [claim], {"lens": read})


def patching(material: Material) -> Chapter:
    """Which parts carry the answer?"""
    title, lead = (
        "Patching",
        (
            "Values from the prompt's run are written into the run of its counterfactual, one place at a time: a place carries what differs between "
            "both if that brings the answer back. 1 is the whole way, 0 no change."
        ),
    )
    if material.candidates.best is None:
        return Chapter(Section("patching", title, lead, sentences=[Sentence(f"Not possible: {material.untested}.")]))
    model, here = material.model, material.candidates.task()
    drawings: list[Drawing] = [material.candidates.drawing()]
    misfits = [Sentence(f"Considered and left out: {reason}.") for reason in material.candidates.dropped]
    places = patches.activation_patching(model, here, patches.residual_sites(model, here.length or 0))
    if places.gap <= 0:
        flat = f"The counterfactual does not lower the logit difference (it moves by {-places.gap:+.2f}), so nothing can be brought back."
        return Chapter(Section("patching", title, lead, drawings, [Sentence(flat), *misfits]))
    layers, heads = [str(i) for i in range(model.n_layers)], [str(i) for i in range(model.n_heads)]
    drawings.append(places.grid(layers, "block", places.tokens, "position", "Where is the answer, block by block?"))
    if material.untested:
        return Chapter(Section("patching", title, lead, drawings, misfits), results={"patching.residual": places})
    found = material.components
    n_heads = len(layers) * len(heads)
    drawings += [found.denoising.grid(layers, "block", heads, "head", "Which heads carry it?", n_heads), found.drawing()]
    n = len(found.denoising.clean)
    chosen = f"Chosen on {n} search prompts, to be tested on others: {', '.join(found.names)}."
    none = f"On {n} search prompts no head or MLP moves a tenth of the gap."
    section = Section("patching", title, lead, drawings, [Sentence(chosen if found.found else none), *misfits])
    return Chapter(section, results={"patching.residual": places, "patching.components": found})


def verification(material: Material) -> Chapter:
    """Does it hold when the found parts are taken out together?"""
    title, lead = (
        "Verification",
        (
            "The found components, all together, on prompts that took no part in choosing them, against random sets of the same size. A claim "
            "holds only if the 95 % interval of measured minus control excludes zero and the measured value reaches its threshold."
        ),
    )
    reason = material.untested or ("" if material.components.found else "no component reached a tenth of the gap on the search prompts")
    if reason:
        return Chapter(Section("verification", title, lead), [patches.nothing_found(reason)])
    found = [material.components.sites[i] for i in material.components.found]
    tested = patches.verify(material.model, material.evaluate, found, material.components.sites, material.seed)
    return Chapter(Section("verification", title, lead, [tested.drawing()]), tested.verdicts, {"verification": tested})
