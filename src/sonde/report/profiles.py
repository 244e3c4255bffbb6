"""Who reads a report, and what each is told first. The evidence is the same for all, and nothing is hidden: what does not come first is folded.

Developers look for parts and figures, auditors for what was claimed and what failed, experts of a field for the words and examples that they can
judge, and who is affected by a decision for what mattered, what would have changed it, how sure that is, and what it does not show.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sonde.report.readers import affected, auditor, expert
from sonde.results import InputError
from sonde.results.document import Section

if TYPE_CHECKING:
    from sonde.report.explanation import Explanation

REST = (
    "summary",
    "task",
    "prediction",
    "minimal_pair",
    "attribution",
    "contributions",
    "heads",
    "lens",
    "representation",
    "patching",
    "circuit",
    "features",
    "training_data",
    "verification",
)


@dataclass(frozen=True)
class Profile:
    """A kind of reader.

    Arguments:
        reader: who it is, in words.
        order: the sections that come first; the others follow in their usual order.
        unfolded: how many sections, from the first on, are open; `None` for all.
        lead: what this reader is told before anything else; `None` where the summary is that.
    """

    reader: str
    order: tuple[str, ...] = REST
    unfolded: int | None = None
    lead: "Callable[[Explanation], Section] | None" = None


PROFILES = {
    "researcher": Profile("researcher or developer"),
    "auditor": Profile("auditor", ("summary", "verification", "prediction", "task"), 3, auditor),
    "expert": Profile("expert of the field", ("task", "attribution", "prediction"), 4, expert),
    "affected": Profile("person affected", ("attribution", "task"), 1, affected),
}


def profile_of(name: str) -> Profile:
    """A profile by its name; raises `InputError` for one that is none."""
    if name not in PROFILES:
        raise InputError(f"profile {name!r} is none: choose {', '.join(PROFILES)}")
    return PROFILES[name]


def arranged(explanation: "Explanation") -> list[Section]:
    """The sections of an explanation, as its reader gets them."""
    profile = profile_of(explanation.profile)
    by_key = {section.key: section for section in explanation.sections}
    ordered = [by_key[key] for key in dict.fromkeys((*profile.order, *REST)) if key in by_key]
    if profile.lead is not None:
        ordered.insert(0, profile.lead(explanation))
    return [replace(section, folded=profile.unfolded is not None and i >= profile.unfolded) for i, section in enumerate(ordered)]
