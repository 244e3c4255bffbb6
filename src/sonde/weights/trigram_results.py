"""Skip-trigrams as a result: a browser by head."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sonde.results import Drawing, InputError, Result, shown
from sonde.results.drawing import table, tabs

if TYPE_CHECKING:
    from polars import DataFrame

HEADS = 48
NOTE = (
    "looks: how much the destination looks at the source; writes: how much that raises the out; both in deviations over tokens. Positions left out."
)
KINDS = {"raised": "What does it raise?", "lowered": "What does it lower?", "forced": "What does its form force besides?"}


@dataclass(frozen=True, eq=False, repr=False)
class SkipTrigrams(Result):
    """The skip-trigrams of heads.

    Arguments:
        found: one row for each: head, kind ("raised", "lowered", "forced"), source, destination, out, looks, writes, score, label, seen, forced_by.
        tokens: how many tokens were tried.
        counted: whether they were counted in a text.
    """

    found: "DataFrame"
    tokens: int
    counted: bool

    def of(self, head: str, kind: str = "raised") -> "DataFrame":
        """Those of one head, strongest first.

        Arguments:
            head: "0.1".
            kind: "raised", "lowered" or "forced": what two raised ones of one source force crosswise.

        Raises:
            InputError: a head or kind that there is not.
        """
        if kind not in KINDS or head not in self.found["head"]:
            raise InputError(f"{shown(head)}, {shown(kind)}: heads are {', '.join(self._heads())}; kinds are {', '.join(KINDS)}")
        frame = self.found.filter((self.found["head"] == head) & (self.found["kind"] == kind))
        return frame.sort("score", descending=kind != "lowered")

    def to_frame(self) -> "DataFrame":
        """One row per skip-trigram."""
        return self.found

    def drawing(self) -> Drawing:
        """A browser: a tab for each head, the one with the strongest skip-trigram first."""
        heads = self._heads()
        if not heads:
            return table("What do heads look for, and what do they make of it?", ["head"], [], note="No head looks at a token for what it is.")
        more = f" {len(heads) - HEADS} more heads." if len(heads) > HEADS else ""
        return tabs("What do heads look for, and what do they make of it?", [(head, self.page(head)) for head in heads[:HEADS]], note=f"{NOTE}{more}")

    def page(self, head: str) -> Drawing:
        """One head: what it raises, lowers, and forces.

        Arguments:
            head: "0.1".
        """
        parts = []
        for kind, title in KINDS.items():
            frame = self.of(head, kind)
            columns = ["source", "destination", "out", "looks", "writes", "score", "label"]
            columns += (["seen"] if self.counted else []) + (["forced_by"] if kind == "forced" else [])
            rows = [[round(cell, 2) if isinstance(cell, float) else cell for cell in row] for row in frame.select(columns).head(40).rows()]
            parts.append((kind, table(f"Head {head}: {title}", [name.replace("_", " ") for name in columns], rows)))
        return tabs(f"Head {head}", parts)

    def _heads(self) -> list[str]:
        frame = self.found.filter(self.found["kind"] == "raised").sort("score", descending=True)
        return list(dict.fromkeys(frame["head"].to_list()))
