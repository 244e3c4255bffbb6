"""What a chapter of an explanation is: one question, its drawings, and the verdicts on its claims."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sonde.report.material import Contrast, Material
from sonde.results import Drawing, Result, Verdict
from sonde.results.document import Section
from sonde.results.drawing import tabs


@dataclass(frozen=True, eq=False)
class Chapter:
    """A section of the report, the verdicts on its claims, and the results behind it."""

    section: Section
    verdicts: list[Verdict] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)


def by_foil(material: Material, draw: Callable[[Contrast], Drawing]) -> Drawing:
    """A drawing for each foil, behind tabs where there are several: what speaks against one may not speak against another."""
    drawn = [draw(contrast) for contrast in material.contrasts]
    if len(drawn) == 1:
        return drawn[0]
    labels = [f"rather than {contrast.foil.strip()!r}" for contrast in material.contrasts]
    return tabs(drawn[0].title, list(zip(labels, drawn, strict=True)))


def named(key: str, material: Material, contrast: Contrast) -> str:
    """The name of a result: with its foil, where it is not the first one."""
    return key if contrast is material.contrasts[0] else f"{key}.{contrast.foil.strip()}"
