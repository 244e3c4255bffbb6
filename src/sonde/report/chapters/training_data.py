"""Which documents of the training pull towards this answer?

Of a specimen the training is known. Which documents of a sample bear most on questions of each kind was found beforehand, by influence functions. Of
those of the prompt's kind the report tells the ones whose gradients point most where the answers to the search prompts rise. That this is so for
others is claimed: one small step of training on them helps the judged prompts more than as long a step on random documents of the training, and more
than one on the documents that share most words with the prompt. A step is no removal, which influence is about.
"""

import random
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.access import Model
from sonde.access.outputs import unwrap
from sonde.evidence import compare, untestable
from sonde.influence.overlap import word_overlap
from sonde.influence.rows import TokenRows
from sonde.influence.shipped import WEIGHTS, ShippedInfluence, shipped
from sonde.influence.small_world import specimen_of
from sonde.influence.step import SHARE, aligned, stepped
from sonde.report.chapters.base import Chapter
from sonde.report.known import RULES
from sonde.report.material import Material
from sonde.results import Drawing, Verdict
from sonde.results.document import Section, Sentence
from sonde.results.drawing import table

TITLE = "Training data"
LEAD = (
    "Documents that the model was trained on, of a stated sample, and how training on each pulls at this kind of answer now. Those that are "
    "considered bear most on questions of the prompt's kind, by influence functions (EK-FAC) on the whole sample; those that are told have the "
    "gradients that point most where such answers rise. It is no record of what was learned when, and no proof of what would be without them."
)
CLAIMS = {
    "random": "One step of training on the documents told helps the answer more than one on random documents of the training.",
    "words": "It helps the answer more than one on the documents that share most words with the prompt.",
}
RISE = "rise of the logit difference after one step, logits; control: "
SOURCE = "none: the control decides"
CHOSEN, DRAWS = 5, 4
FAMILIES = {template: rule.family for template, rule in RULES.items()} | {"induction": "repeats"}
"""Of each template the kind of question that its prompts are."""


def training_data(material: Material) -> Chapter:
    """The documents of the prompt's kind that pull most towards the answer, and what a step on them does to other prompts."""
    known, reason = _known(material)
    if known is None:
        return Chapter(Section("training_data", TITLE, LEAD, sentences=[Sentence(f"Not asked: {reason}.")]))
    kind = FAMILIES[_template(material)]
    pulls = _pulls(material, known, known.candidates(kind))
    chosen = sorted(pulls, key=lambda i: -pulls[i])[:CHOSEN]
    lexical = _lexical(material, known, chosen)
    after = {name: stepped(material.model, [known.rows[i] for i in places]) for name, places in (("chosen", chosen), ("words", lexical))}
    same = sum(known.families[i] == kind for i in chosen)
    asked = f"{len(known.questions(kind))} questions of the kind “{kind}”"
    said = (
        f"Considered were the {len(pulls)} documents that bear most on one of {asked}, of {known.n:,} that {known.model} was trained on, drawn from "
        f"its training. {same} of the {len(chosen)} that are told are of this kind."
    )
    drawings = [_told(material, known, pulls, chosen), _steps(material, known, lexical, after)]
    results = {"training_data.influence": known}
    return Chapter(Section("training_data", TITLE, LEAD, drawings, [Sentence(said)]), _judged(material, known, after), dict(results))


def _known(material: Material) -> tuple[ShippedInfluence | None, str]:
    """What is shipped for this model and prompt, or why there is nothing."""
    model = material.model
    name = specimen_of(model)
    if name is None or not (WEIGHTS / name).is_dir():
        return None, f"nothing is shipped of the training of {model.name}; `sonde influence study` asks about it with a corpus of yours"
    known = shipped(name)
    if known.recipe.model_hash != model.hash:
        return None, f"these are not the weights of {known.model} that were trained on known documents"
    if FAMILIES.get(_template(material)) not in known.kinds:
        return None, "the prompt is of no kind whose questions were asked beforehand; `sonde influence top` asks about any prompt"
    return known, ""


def _template(material: Material) -> str:
    best = material.candidates.best
    return "" if best is None else best.template


def _pulls(material: Material, known: ShippedInfluence, places: Sequence[int]) -> dict[int, float]:
    """How far training on each of these documents raises the logit difference of the search prompts, or of the prompt where there are none."""
    task = material.search
    rows = [list(row) for row in task.clean] if len(task) else [material.ids]
    targets = task.targets if len(task) else material.contrasts[0].metric.targets
    foils = task.foils if len(task) else material.contrasts[0].metric.foils

    def difference(module: nn.Module, batch: Any) -> Float[Tensor, " example"]:
        every = torch.arange(len(batch.ids))
        last = unwrap(module(batch.ids, **batch.call))[every, batch.real.sum(1) - 1]
        return last[every, torch.as_tensor(targets)] - last[every, torch.as_tensor(foils)]

    asked = TokenRows(material.model, rows, [1] * len(rows))
    found = aligned(material.model, [known.rows[i] for i in places], asked, difference, known.lengths[list(places)])
    return dict(zip(places, found.tolist(), strict=True))


def _lexical(material: Material, known: ShippedInfluence, chosen: Sequence[int]) -> list[int]:
    """The documents that share most words with the prompt and its answer, but for those that were chosen; as many."""
    text = material.prompt + material.candidates.target
    overlap = word_overlap([text], ["".join(material.strings(row)) for row in known.rows])[0]
    order = overlap.argsort(descending=True, stable=True).tolist()
    return [i for i in order if i not in chosen][: len(chosen)]


def _told(material: Material, known: ShippedInfluence, pulls: dict[int, float], chosen: Sequence[int]) -> Drawing:
    """The documents."""
    return table(
        "Which training documents pull towards such an answer?", ["document", "kind", "pull"],
        [[_text(material, known.rows[i]), known.families[i], pulls[i]] for i in chosen],
        note="Pull: the cosine of the step that training on the document would make with the direction in which the logit difference of the search "
        "prompts rises.",
    )  # fmt: skip


def _steps(material: Material, known: ShippedInfluence, lexical: Sequence[int], after: dict[str, Model]) -> Drawing:
    """What a step on all of them, and on the rivals, does to this prompt."""
    before = _here(material, material.model)
    said = " · ".join(_text(material, known.rows[i]) for i in lexical)
    rows: list[list[object]] = [
        ["the documents told", _here(material, after["chosen"]) - before],
        [f"those that share most words with the prompt: {said}", _here(material, after["words"]) - before],
    ]
    return table(
        "What does one more step of training do to this prompt?", ["a step on", "rise, logits"], rows,
        note=f"Rise: of `{material.candidates.target}` over `{material.candidates.foil}` after a step of {SHARE:g} of the weights' length.",
    )  # fmt: skip


def _text(material: Material, row: Sequence[int]) -> str:
    return "".join(material.strings(row)).replace("<|end|>", "").strip()


def _here(material: Material, model: Model) -> float:
    return float(material.contrasts[0].metric(model.run([material.ids], logits="last"))[0])


def _judged(material: Material, known: ShippedInfluence, after: dict[str, Model]) -> list[Verdict]:
    """The rise on the judged siblings after a step, beside that after steps on other documents."""
    if material.untested:
        return [untestable(claim, RISE + name, material.untested, threshold=0.0, threshold_source=SOURCE) for name, claim in CLAIMS.items()]
    before, pool, rng = _on(material, material.model), [i for i, drawn in enumerate(known.drawn) if drawn], random.Random(material.seed)
    sets = [[known.rows[i] for i in rng.sample(pool, min(CHOSEN, len(pool)))] for _ in range(DRAWS)]
    rises = {name: _on(material, model) - before for name, model in after.items()}
    controls = {"random": torch.stack([_on(material, stepped(material.model, one)) - before for one in sets]), "words": rises["words"]}
    return [
        compare(claim, RISE + name, rises["chosen"], controls[name], threshold=0.0, threshold_source=SOURCE) for name, claim in CLAIMS.items()
    ]  # fmt: skip


def _on(material: Material, model: Model) -> Float[Tensor, " example"]:
    task = material.evaluate
    return task.metric(model.run(task.clean, logits="last")).float().cpu()
