"""What do the heads do that matter here?"""

import contextlib

from sonde.report.chapters.base import Chapter
from sonde.report.material import Material
from sonde.results import Drawing, InputError, Result, SiteUnavailable
from sonde.results.document import Section, Sentence
from sonde.results.drawing import attention

LEAD = (
    "Heads by what was measured of them, on random words that are said twice and on the path from a token through the head to the logits. A name "
    "needs a score that is high and that chance gives no head of the model. Where they look in this prompt is drawn below; looking is not yet using."
)
MOST = 6


def heads(material: Material) -> Chapter:
    """The heads that patching found and those that write most here, each with what it is measured to do, and where it looks in the prompt."""
    try:
        scores = material.head_scores
    except (SiteUnavailable, InputError) as reason:
        return Chapter(Section("heads", "Heads", LEAD, sentences=[Sentence(f"Not measured: {reason}.")]))
    chosen = _that_matter(material)
    described = {head: scores.describe(head) for head in chosen}
    sentences = [Sentence(f"Head {head} {does}.") for head, does in described.items()]
    if material.undrawn:
        sentences.append(Sentence(f"Where they look is not drawn: {material.undrawn}."))
    drawings: list[Drawing] = []
    if material.patterns is not None and chosen:
        places = [tuple(map(int, head.split("."))) for head in chosen]
        shown = [material.patterns[layer, head] for layer, head in places]
        title = "Where do the heads that matter here look?"
        drawings.append(attention(title, material.prediction.tokens, shown, chosen, details=list(described.values())))
    results: dict[str, Result] = {"heads": scores}
    return Chapter(Section("heads", "Heads", LEAD, [*drawings, scores.table(), scores.drawing()], sentences), results=results)


def _that_matter(material: Material) -> list[str]:
    """The heads that patching found on the search prompts, then those whose direct contributions to this prompt are largest; in the model's order."""
    found = [] if material.untested else [name[5:] for name in material.components.names if name.startswith("head ")]
    with contextlib.suppress(SiteUnavailable):
        written = material.taken_apart(material.contrasts[0])
        sizes = dict(zip(written.names, written.values.abs().mean(1).tolist(), strict=True))
        ranked = sorted((name for name in sizes if name.startswith("head ")), key=lambda name: -sizes[name])
        found += [name[5:] for name in ranked[: MOST // 2]]
    return sorted(list(dict.fromkeys(found))[:MOST], key=lambda head: tuple(map(int, head.split("."))))
