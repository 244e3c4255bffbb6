"""Which features carried this prediction?

Asked where a basis is attached to the model, or a dictionary is shipped for it. The features are chosen on the search prompts and judged on the
others: without them the answer must lose more than without random features that are active as often, or that add as much.
"""

import json
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sonde.access import Model
from sonde.evidence import untestable
from sonde.evidence.parts import HALF, HALF_SOURCE
from sonde.features import activity, analyse, feature_contributions
from sonde.features.records import Description
from sonde.features.used import used
from sonde.report.chapters.base import Chapter, named
from sonde.report.described import described
from sonde.report.featured import featured
from sonde.report.material import Material
from sonde.results import Drawing, InputError, Result, SiteUnavailable, Verdict
from sonde.results.document import Section, Sentence
from sonde.results.drawing import table

TITLE = "Features"
LEAD = (
    "A basis divides what a site holds into features. Those without which the answer loses most on the search prompts are told here, with the tokens "
    "on which each is most active there, and with what is known of it from a database of features, if there is one. That they carry the answer is "
    "claimed on other prompts, against random features that are active as often, and against such as add as much to the site."
)
CLAIM = "The features that carry the answer on some prompts carry it on others."
SHOWN = 10  # features whose contributions are measured
JUDGED = 5  # of them together, at most
PER_TOKEN = 3
DRAWS = 8
NAMED_BY = 3  # tokens


def features(material: Material) -> Chapter:
    """For every basis that is attached: what its features contribute, the prompt by features, and whether the foremost carry the answer elsewhere."""
    drawings: list[Drawing] = []
    sentences, claims, results = list[Sentence](), list[Verdict](), dict[str, Result]()
    model = featured(material.model) or material.model
    for site in model.bases:
        try:
            if material.untested:
                raise InputError(material.untested)
            found, analysed, judged, told = _of_site(material, model, site)
        except (SiteUnavailable, InputError) as reason:
            claims.append(untestable(CLAIM, "share of the gap lost", str(reason), threshold=HALF, threshold_source=HALF_SOURCE))
            sentences.append(Sentence(f"Not possible for `{site}`: {reason}."))
            continue
        drawings += [found.drawing(), told, analysed.drawing()]
        claims += judged
        results |= {named(f"features.{site}", material, material.contrasts[0]): found, f"features.{site}.prompt": analysed}
    return Chapter(Section("features", TITLE, LEAD, drawings, sentences), claims, results)


def _of_site(material: Material, model: Model, site: str) -> tuple[Result, Result, list[Verdict], Drawing]:
    """What the features of one site contribute on the search prompts, what they do in this one, the verdicts on the others, and which they are."""
    search, judged = material.search, material.evaluate
    measured = activity(model, site, [*search.clean, *search.corrupt])
    found = feature_contributions(model, site, search, top=SHOWN)
    analysed = analyse(model, site, material.ids, material.contrasts[0].metric, PER_TOKEN)
    chosen = found.carrying()[:JUDGED]
    if not chosen:
        raise InputError("without each of its features the answer stays, or rises")
    who = f"feature{'s' if len(chosen) > 1 else ''} {', '.join(map(str, chosen))}"
    told = _told(site, _tokens(material, model, site, chosen), described(model, site, chosen, material.databases))
    return found, analysed, used(model, site, chosen, judged, measured, judged.metric, DRAWS, material.seed, name=who), told


def _told(site: str, tokens: Mapping[int, str], descriptions: Mapping[int, Description]) -> Drawing:
    """Which features these are: by the tokens of the search prompts, and by what was said of them before."""
    title = f"What do the chosen features of {site} stand for?"
    if not descriptions:
        return table(title, ["feature", "most active here on"], [[feature, here] for feature, here in tokens.items()])
    rows = [[feature, here, *_said(descriptions.get(feature))] for feature, here in tokens.items()]
    authors = ", ".join(dict.fromkeys(one["author"] for one in descriptions.values()))
    note = (
        f"Described by {authors}, and scored on texts that no description was made from; in brackets stands what the description of another feature "
        "scores in its place."
    )
    return table(title, ["feature", "most active here on", "described as", "scores of the description"], rows, note=note)


def _said(one: Description | None) -> tuple[str | None, str | None]:
    """A description, and its scores beside those of another feature's."""
    if one is None:
        return None, None
    scores = [f"{name} {_figure(value)} ({_figure(one['controls'].get(name))})" for name, value in one["scores"].items()]
    return one["text"], ", ".join(scores)


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _tokens(material: Material, model: Model, site: str, chosen: Sequence[int]) -> dict[int, str]:
    """The tokens of the search prompts on which each feature is most active, the most first."""
    run = model.run(material.search.clean, read=site, logits=False)
    values: Tensor = run[site][..., list(chosen)].masked_fill(~run.mask[..., None], -torch.inf) if run.mask is not None else run[site][..., chosen]
    names = {}
    for i, feature in enumerate(chosen):
        order = values[..., i].flatten().argsort(descending=True).tolist()
        ids = [int(run.ids.flatten()[place]) for place in order if values[..., i].flatten()[place] > 0]
        strings = material.strings(list(dict.fromkeys(ids))[:NAMED_BY])
        names[feature] = ", ".join(json.dumps(token, ensure_ascii=False) for token in strings) or "nothing"
    return names
