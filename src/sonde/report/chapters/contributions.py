"""Which parts write the answer?"""

from sonde import lens as lenses
from sonde.report.chapters.base import Chapter, by_foil, named
from sonde.report.material import Material
from sonde.results import SiteUnavailable
from sonde.results.document import Section, Sentence

LEAD = (
    "All that the unembedding sees of a head or an MLP is what it added to the residual stream. With the final norm's scale held at its value, the "
    "difference of target and foil is the sum of these direct contributions. What a part does through later parts is not in them."
)


def contributions(material: Material) -> Chapter:
    """The way from zero to the logit difference for each foil, the heads in a grid, and whether the strongest parts write the answer elsewhere."""
    model = material.model
    try:
        made = {contrast: material.taken_apart(contrast) for contrast in material.contrasts}
    except SiteUnavailable as reason:
        return Chapter(Section("contributions", "Direct contributions", LEAD, sentences=[Sentence(f"Not possible: {reason}.")]))
    patterns = material.patterns
    tokens = None if patterns is None else material.prediction.tokens
    # attention is that of the prompt, whatever the foil: kept once
    opened = {material.contrasts[0]: (patterns, tokens)}
    drawings = [
        by_foil(material, lambda contrast: made[contrast].drawing()),
        by_foil(material, lambda contrast: made[contrast].head_grid(*opened.get(contrast, ()))),
    ]
    results = {named("contributions", material, contrast): one for contrast, one in made.items()}
    if material.untested:
        claim = lenses.writers.untested(material.untested)
    else:
        on_siblings = lenses.direct_contributions(model, material.search)
        results["contributions.siblings"] = on_siblings
        (claim,) = on_siblings.check(model, material.evaluate, material.seed)
    return Chapter(Section("contributions", "Direct contributions", LEAD, drawings), [claim], dict(results))
