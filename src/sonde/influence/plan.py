"""What a fit will take, said before it is begun."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sonde.influence.blocks import Block, rotates_first
from sonde.influence.labels import Labels
from sonde.influence.subject import Subject, rows_of_a_pass

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True)
class Plan:
    """Bytes and operations, before anything is computed.

    Arguments:
        kind: of curvature.
        examples, queries: how many.
        batch_size: examples in a pass.
        ways_back: backward passes of every batch, for the curvature.
        bytes: by what takes them.
        operations: floating-point operations by stage, of the algebra around the model's own passes.
        blocks: for each block its name, size, places, and whether its factors are rotated before they are multiplied.
    """

    kind: str
    examples: int
    queries: int
    batch_size: int
    ways_back: int
    bytes: dict[str, int]
    operations: dict[str, int]
    blocks: tuple[tuple[str, int, int, bool], ...]

    def to_frame(self) -> "DataFrame":
        """One row per block."""
        import polars as pl

        return pl.DataFrame(list(self.blocks), ["block", "weights", "places", "rotates first"], orient="row")

    def __str__(self) -> str:
        held = ", ".join(f"{what} {count / 1e6:,.1f} MB" for what, count in self.bytes.items())
        done = ", ".join(f"{what} {count / 1e9:,.2f}" for what, count in self.operations.items())
        weights = sum(size for _, size, *_ in self.blocks)
        return (
            f"{self.kind} of {weights:,} weights in {len(self.blocks)} blocks from {self.examples:,} examples, {self.batch_size} in a pass and "
            f"{self.ways_back} way(s) back; memory: {held}; GFLOP besides the model's own passes: {done}"
        )


def planned(subject: Subject, kinds: Mapping[str, str], labels: Labels, outputs: int, queries: int) -> Plan:
    """What a fit and the scores of some queries would take.

    Arguments:
        subject: the model with its training examples.
        kinds: of the curvature of each block.
        labels: whose gradients.
        outputs: of an example.
        queries: how many.
    """
    n, ways = len(subject.examples), labels.ways_back or outputs
    blocks, size = subject.blocks, subject.batch_size or rows_of_a_pass(subject.blocks)
    kind = next(iter(kinds.values())) if len(set(kinds.values())) == 1 else "mixed"
    split, measured, squared = ([b for b in blocks if kinds[b.name] in some] for some in (("kfac", "ekfac"), ("ekfac",), ("diagonal",)))
    leaders = list({block.source: block for block in reversed(split)}.values())
    factors = sum(8 * block.cols**2 for block in leaders) + sum(8 * block.rows**2 for block in split)
    eigenvalues = sum(8 * block.size for block in blocks)
    held = {
        "curvature": 0 if kind == "identity" else eigenvalues + 2 * factors,
        "queries": 4 * queries * sum(block.size for block in blocks),
        "a pass": 4 * size * (sum(block.places * (block.rows + block.cols) for block in blocks) + max(block.size for block in blocks)),
    }
    done = {}
    if split:
        done["second moments"] = n * (
            sum(2 * block.places * block.cols**2 for block in leaders) + ways * sum(2 * block.places * block.rows**2 for block in split)
        )  # fmt: skip
        done["eigenvectors"] = sum(9 * block.cols**3 for block in leaders) + sum(9 * block.rows**3 for block in split)
    if measured:
        done["eigenvalues"] = n * ways * sum(_turning(block) for block in measured)
    if squared:
        done["squares"] = n * ways * sum(2 * block.places * block.size for block in squared)
    done["scores"] = n * sum(2 * block.places * block.size + 2 * queries * block.size for block in blocks)
    rows = tuple((block.name, block.size, block.places, rotates_first(block.places, block.rows, block.cols)) for block in blocks)
    return Plan(kind, n, queries, size, ways, held, done, rows)


def _turning(block: Block) -> int:
    """Operations that turn an example's gradient into the eigenbasis."""
    forming = 2 * block.places * block.size
    if rotates_first(block.places, block.rows, block.cols):
        return forming + 2 * block.places * (block.rows**2 + block.cols**2)
    return forming + 2 * block.size * (block.rows + block.cols)
