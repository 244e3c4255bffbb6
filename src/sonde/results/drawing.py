"""A drawing as plain data: `{kind, title, unit, data, axes, legend, control, note}`.

Methods build drawings from their results; `sonde.views` draws them in a page, a notebook or the terminal. No drawing knows a method,
and no method knows how a drawing looks.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["tokens", "matrix", "lens", "bars", "lines", "verdicts", "table"]


@dataclass(frozen=True)
class Drawing:
    """One figure: one question, its unit, its uncertainty and its control."""

    kind: Kind
    title: str
    unit: str
    data: dict[str, Any]
    axes: dict[str, Any] = field(default_factory=dict)
    legend: dict[str, Any] = field(default_factory=dict)
    control: dict[str, Any] = field(default_factory=dict)
    note: str = ""
