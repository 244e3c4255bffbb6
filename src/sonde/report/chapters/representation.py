"""Which known properties of this prompt can be read where, and which does the answer need?

Probes are shipped for specimens, whose properties are known; none is trained here. What one sentence shows is told beside random directions; that the
answer needs a property is claimed on the other siblings, of the property and the layer that were chosen on the search prompts.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence import necessity, untestable
from sonde.evidence.parts import HALF, HALF_SOURCE
from sonde.probing import ShippedProbes
from sonde.probing.erasure import RANDOM
from sonde.probing.sweep_results import short
from sonde.report.chapters.base import Chapter
from sonde.report.material import Material
from sonde.report.readings import DRAWS, Reading, moved, readings
from sonde.report.represented import represented
from sonde.results import Drawing, Verdict
from sonde.results.document import Section, Sentence
from sonde.results.drawing import matrix, table

TITLE = "Representation"
LEAD = (
    "Probes that were trained on other sentences of the small world read its known properties at each layer of this one. What can be read need not "
    "be used: each property is taken out, beside random directions. One sentence cannot tell chance from use; the claim is judged on siblings."
)
CLAIM = "A property that the model uses elsewhere is needed for the answer."
MEASURE = "share of the gap lost when a property is taken out"
RIVALS = 8  # random directions of each kind beside the removal that is judged


def representation(material: Material) -> Chapter:
    """What probes read of the prompt, what the answer loses without each property, and whether siblings need the foremost."""
    probes = represented(material.model)
    if probes is None:
        why = f"no probes are shipped for {material.model.name}; `sonde probe table` trains them on examples of yours"
        return Chapter(Section("representation", TITLE, LEAD, sentences=[Sentence(f"Not asked: {why}.")]))
    found = readings(material, probes)
    shown = [reading for reading in found if reading.here]
    absent = [reading.name for reading in found if not reading.here]
    if not shown:
        return Chapter(Section("representation", TITLE, LEAD, sentences=[Sentence("None of the known properties makes sense in this prompt.")]))
    lost = moved(material, probes, [reading.name for reading in shown])
    sentences = [Sentence(_of_truth(shown))]
    if absent:
        sentences.append(Sentence(f"Of none of its words, by what is known or else by what is read: {', '.join(absent)}."))
    drawings = [_read(probes, shown), _used(material, probes, shown, lost)]
    results = {"representation.probes": probes}
    return Chapter(Section("representation", TITLE, LEAD, drawings, sentences), _judged(material, probes, shown), dict(results))


def _of_truth(shown: Sequence[Reading]) -> str:
    """How much of it is known."""
    n = sum(reading.truth is not None for reading in shown)
    if not n:
        return "The prompt is none that the small world's rules know, so the truth of what is read here is not known."
    return f"What is true is known of {n} of these {len(shown)} properties, by the rule of the prompt's task and by its words."


def _read(probes: ShippedProbes, shown: Sequence[Reading]) -> Drawing:
    """The probability of each property by layer, beside the truth."""
    values, details = [], []
    for reading in shown:
        i = probes.names.index(reading.name)
        values.append([reading.truth, *reading.yes])
        told = "not known" if reading.truth is None else "it holds" if reading.truth else "it does not hold"
        details.append([f"at “{reading.word}”: {told}", *(_judgement(probes, reading, i, j) for j in range(len(probes.sites)))])
    return matrix(
        "Which known properties can be read where?", "probability that it holds, as a probe reads it", values, row_name="property",
        rows=[reading.name for reading in shown], col_name="truth, then site", cols=["truth", *short(probes.sites)], details=details,
        scale="sequential", limit=1.0, zero="it does not hold",
        note="Each is read at the last word at which it holds, else at the last at which it may be asked. Truth that is not known is hatched.",
    )  # fmt: skip


def _judgement(probes: ShippedProbes, reading: Reading, i: int, j: int) -> str:
    """Whether a probe is right here, and how right it is elsewhere."""
    yes = reading.yes[j]
    said = f"at “{reading.word}” it says {'yes' if yes > 0.5 else 'no'}, {max(yes, 1 - yes):.0%} sure"
    if reading.truth is not None:
        said += f": {'right' if (yes > 0.5) == bool(reading.truth) else 'wrong'}; right at {reading.right[j]} of {reading.words} words"
    return f"{said}. Elsewhere it tells {float(probes.accuracy[i, j]):.0%}, the best control {float(probes.control[i, j]):.0%}"


def _used(material: Material, probes: ShippedProbes, shown: Sequence[Reading], lost: Float[Tensor, "property site removal"]) -> Drawing:
    """What the answer to this prompt loses without each property, beside the largest loss without a random direction."""
    contrast = f"`{material.candidates.target}` minus `{material.candidates.foil}`"
    heads = ["property", "at", "truth", "elsewhere", *(part for site in short(probes.sites) for part in (site, "random"))]
    rows = []
    for reading, own in zip(shown, lost, strict=True):
        truth = "not known" if reading.truth is None else ("no", "yes")[reading.truth]
        moves = [number for site in own for number in (float(site[0]), float(site[1:].max()))]
        rows.append([reading.name, reading.word, truth, probes.conclusions[probes.names.index(reading.name)], *moves])
    return table(
        "What does the answer lose without each property?", heads, rows,
        note=f"Lost of the logit difference {contrast} in this prompt when the property is taken out at a layer; beside it the largest loss among "
        f"{DRAWS} random directions of equal rank. Elsewhere: what other documents say of it.",
    )  # fmt: skip


def _judged(material: Material, probes: ShippedProbes, shown: Sequence[Reading]) -> list[Verdict]:
    """The property and site whose removal costs most on the search prompts, judged on the others."""
    wanted = [(reading.name, site) for reading in shown for site in probes.used_at[probes.names.index(reading.name)]]
    reason = material.untested or ("" if wanted else "the model was not found to use any of these properties elsewhere")
    if reason:
        return [untestable(CLAIM, MEASURE, reason, threshold=HALF, threshold_source=HALF_SOURCE)]
    model, search, judged = material.model, material.search, material.evaluate
    tried = model.sweep(search.clean, [probes.eraser(name, site).edit(site) for name, site in wanted], search.metric)
    name, site = wanted[int((tried.base - tried.values).mean(1).argmax())]
    random = [one for by in RANDOM for one in probes.random_erasers(name, site, RIVALS, material.seed, by)]
    edits = [one.edit(site) for one in (probes.eraser(name, site), *random)]
    sweep = model.sweep(judged.clean, edits, judged.metric)
    corrupt = judged.metric(model.run(judged.corrupt, logits="last")).float().cpu()
    base, (without, *others) = sweep.base.float().cpu(), sweep.values.float().cpu().unbind()
    verdicts = []
    for i, like in enumerate(RANDOM.values()):
        controls = torch.stack(others[i * RIVALS : (i + 1) * RIVALS])
        claim = f"The answer needs what {site} holds of “{name}”, more than {like}."
        verdicts.append(necessity(claim, base, corrupt, without, controls, measure=f"{MEASURE}; control: {like}"))
    return verdicts
