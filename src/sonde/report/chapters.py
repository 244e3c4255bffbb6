"""The chapters of an explanation: each asks one question, gives its drawings, and hands over the verdicts on its claims."""

from dataclasses import dataclass, field

from sonde import lens as lenses
from sonde import patching as patches
from sonde.evidence import untestable
from sonde.report.behaviour import behaviour
from sonde.report.material import Material
from sonde.results import Drawing, Result, Verdict
from sonde.results.document import Section, Sentence


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
    ratio = (said.distribution[right] - said.distribution[wrong]).exp().item()
    contrast = f"Explained is `{target}` against `{foil}`: here it is {_times(ratio)}."
    return Chapter(
        Section("prediction", "Prediction", lead, [said.drawing(), said.surprisal_drawing()], [Sentence(contrast)]),
        [claim],
        {"prediction": said},
    )


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
    lead = (
        "Values from the prompt's run are written into the run of its counterfactual, one place at a time: a place carries what differs between both if "
        "that brings the answer back. 1 is the whole way, 0 no change."
    )
    if material.candidates.best is None:
        return Chapter(
            Section("patching", "Patching", lead, sentences=[Sentence(f"Not possible: {material.untested}.")]), [patches.nothing(material.untested)]
        )
    model, here = material.model, material.candidates.task()
    drawings: list[Drawing] = [material.candidates.drawing()]
    results: dict[str, Result] = {}
    sentences: list[Sentence] = []
    length = here.length or 0
    layers, heads = [str(i) for i in range(model.n_layers)], [str(i) for i in range(model.n_heads)]
    places = patches.activation_patching(model, here, patches.residual_sites(model, length))
    if places.gap <= 0:
        sentences.append(Sentence(f"The counterfactual does not lower the logit difference (by {-places.gap:.2f}), so nothing can be brought back."))
        return Chapter(
            Section("patching", "Patching", lead, drawings, sentences), [patches.nothing("the counterfactual does not take the answer away")]
        )
    results["patching.residual"] = places
    drawings.append(places.grid(layers, "block", places.tokens, "position", "Where is the answer, block by block?"))
    if material.untested:
        return Chapter(Section("patching", "Patching", lead, drawings, sentences), [patches.nothing(material.untested)], results)
    found = patches.find_components(model, material.search, material.seed)
    results["patching.components"] = found
    n = model.n_layers * model.n_heads
    drawings += [found.denoising.grid(layers, "block", heads, "head", "Which heads carry it?", n), found.drawing()]
    sentences.append(Sentence(_choice(found)))
    return Chapter(Section("patching", "Patching", lead, drawings, sentences), found.check(model, material.evaluate, material.seed), results)


def attribution(material: Material) -> Chapter:
    """Which tokens mattered?"""
    return Chapter(Section("attribution", "Attribution"))


def _times(ratio: float) -> str:
    return f"{ratio:.3g} times as likely" if ratio >= 1 else f"{1 / ratio:.3g} times less likely"


def _choice(found: patches.Components) -> str:
    n = len(found.denoising.clean)
    if not found.found:
        return f"On {n} search prompts no head or MLP moves a tenth of the gap."
    return f"Chosen on {n} search prompts, to be tested on others: {', '.join(found.names)}."
