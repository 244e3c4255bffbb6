"""Which parts carry the answer?"""

from sonde import patching as patches
from sonde.report.chapters.base import Chapter, by_foil, named
from sonde.report.material import Contrast, Material
from sonde.results import Drawing
from sonde.results.document import Section, Sentence

TITLE = "Patching"
LEAD = (
    "Values from the prompt's run are written into the run of its counterfactual, one place at a time: a place carries what differs between "
    "both if that brings the answer back. 1 is the whole way, 0 no change."
)


def patching(material: Material) -> Chapter:
    """The residual stream patched place by place for each foil, and the heads and MLPs that were found on the search prompts."""
    if material.candidates.best is None:
        return Chapter(Section("patching", TITLE, LEAD, sentences=[Sentence(f"Not possible: {material.untested}.")]))
    model = material.model
    drawings: list[Drawing] = [material.candidates.drawing()]
    misfits = [Sentence(f"Considered and left out: {reason}.") for reason in material.candidates.dropped]
    made = {contrast: _places(material, contrast) for contrast in material.contrasts}
    flat = [(contrast, places) for contrast, places in made.items() if places.gap <= 0]
    if flat:
        said = [
            f"The counterfactual does not lower the logit difference to `{contrast.foil}` (it moves by {-places.gap:+.2f}): nothing to bring back."
            for contrast, places in flat
        ]
        return Chapter(Section("patching", TITLE, LEAD, drawings, [*map(Sentence, said), *misfits]))
    results = {named("patching.residual", material, contrast): places for contrast, places in made.items()}
    layers = [str(i) for i in range(model.n_layers)]
    title = "Where is the answer, block by block?"
    drawings.append(by_foil(material, lambda contrast: made[contrast].grid(layers, "block", made[contrast].tokens, "position", title)))
    if material.untested:
        return Chapter(Section("patching", TITLE, LEAD, drawings, misfits), results=dict(results))
    found = material.components
    tokens = material.prediction.tokens if material.patterns is not None else None
    drawings += [found.head_grid(model.n_layers, model.n_heads, material.patterns, tokens), found.drawing()]
    n = len(found.denoising.clean)
    chosen = f"Chosen on {n} search prompts, to be tested on others: {', '.join(map(material.called, found.names))}."
    none = f"On {n} search prompts no head or MLP moves a tenth of the gap."
    section = Section("patching", TITLE, LEAD, drawings, [Sentence(chosen if found.found else none), *misfits])
    return Chapter(section, results={**results, "patching.components": found})


def _places(material: Material, contrast: Contrast) -> patches.PatchResult:
    """The prompt's residual stream, patched at every place."""
    here = material.here(contrast)
    return patches.activation_patching(material.model, here, patches.residual_sites(material.model, here.length or 0))
