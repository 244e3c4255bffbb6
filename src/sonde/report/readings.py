"""What shipped probes read of a prompt, beside what is known of it, and what the answer loses without each property."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Edit
from sonde.probing import ShippedProbes
from sonde.probing.data.words import WORD
from sonde.probing.placing import tokens_of
from sonde.report.known import known
from sonde.report.material import Material
from sonde.specimens.words.document import Span
from sonde.specimens.words.labels import ROLES, WORDS

DRAWS = 4  # random directions beside each removal from the prompt


@dataclass(frozen=True, eq=False)
class Reading:
    """One property, at one word of the prompt.

    Arguments:
        name: the property.
        word: the word at which it is read: the last at which it holds, else the last at which it makes sense to ask.
        truth: whether it holds there; `None` where that is not known.
        yes: the probability that the probe of each site gives it.
        right: of how many words the probe of each site is right, and of how many the truth is known.
    """

    name: str
    word: str
    truth: int | None
    yes: list[float]
    right: list[int]
    words: int

    @property
    def here(self) -> bool:
        """Whether the prompt has the property, or may lack it as a whole; not where it is asked of single words, and holds of none."""
        of_words = self.name in WORDS or self.name.removeprefix("the ") in ROLES
        return self.truth == 1 or not of_words or (self.truth is None and max(self.yes) > 0.5)


def readings(material: Material, probes: ShippedProbes) -> list[Reading]:
    """What the probes read of the prompt, property by property; those that make no sense in it are left out.

    Arguments:
        material: of a report.
        probes: of its model.
    """
    model, prompt = material.model, material.prompt
    places = [found.span() for found in WORD.finditer(prompt)]
    tokens = tokens_of(model, prompt)
    # the report may put a token before those that the tokenizer gives by itself, or leave one out
    shift = len(material.ids) - len(tokens.ids)
    ends = [tokens.of_span(place)[1] - 1 + shift for place in places]
    run = model.run([material.ids], read=probes.sites, logits=False)
    yes = torch.stack([probes.reads(site, run[site][0, ends].float().cpu()) for site in probes.sites], 1)
    truths = known(prompt, *_by_rule(material, shift), places)
    found = []
    for name, row in zip(probes.names, yes, strict=True):
        truth = truths[name]
        sensible = [i for i, label in enumerate(truth) if label != -1]
        if not sensible:
            continue
        at = max([i for i in sensible if truth[i] == 1] or sensible)
        sure = [i for i in sensible if truth[i] is not None]
        right = [sum(bool(site[i] > 0.5) == bool(truth[i]) for i in sure) for site in row]
        found.append(Reading(name, prompt[slice(*places[at])], truth[at], row[:, at].tolist(), right, len(sure)))
    return found


def moved(material: Material, probes: ShippedProbes, names: Sequence[str]) -> Float[Tensor, "property site removal"]:
    """What is lost of the logit difference on the prompt when properties are taken out: of each at each site the property's own removal first, then
    random directions.

    Arguments:
        material: of a report.
        probes: of its model.
        names: the properties.
    """
    metric = material.contrasts[0].metric
    edits = [edit for name in names for site in probes.sites for edit in _beside(probes, name, site, DRAWS, material.seed)]
    sweep = material.model.sweep([material.ids], edits, metric)
    return (sweep.base - sweep.values).float().cpu().view(len(names), len(probes.sites), 1 + DRAWS)


def _beside(probes: ShippedProbes, name: str, site: str, draws: int, seed: int) -> Iterator[Edit]:
    yield probes.eraser(name, site).edit(site)
    for one in probes.random_erasers(name, site, draws, seed):
        yield one.edit(site)


def _by_rule(material: Material, shift: int) -> tuple[str, dict[str, list[Span]]]:
    """The template that knows the prompt, and the characters of the words that matter by it."""
    best = material.candidates.best
    if best is None or not best.template:
        return "", {}
    assert material.model.tokenizer is not None
    located = material.model.tokenizer.located(material.prompt)
    parts = {}
    for name, positions in dict(best.spans).items():
        spans = [located[position - shift] for position in positions if 0 <= position - shift < len(located)]
        parts[name] = [_bare(material.prompt, span) for span in spans if span is not None]
    return best.template, parts


def _bare(text: str, span: Span) -> Span:
    """A token's characters without the space before them."""
    start, stop = span
    return start + len(text[start:stop]) - len(text[start:stop].lstrip()), stop
