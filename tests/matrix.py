"""Every site of every family under every edit: the matrix of what the handle promises.

A cell is one edit at one site in one family: at all of it, in one row, at one position or at some entries, in turn. In every cell these laws must
hold, or the edit is refused by name:

1. it fires, and what is read at the site is what the edit says, in the part and nowhere else;
2. what changed the whole of a site changed the model's output, and what changed nothing left it bit for bit;
3. the identity of its kind (scale by one, patch from the same run, ...) leaves the output bit for bit;
4. tensors of other runs stay as they were;
5. gradients pass through the edit of a whole site: the gradient at the model's first site is the slope of a metric (in double precision, but families
   take norms and softmaxes in single precision), and the edited site's own is finite and not zero; edits of the way back change it;
6. a sweep gives what a run under the edit gives (checked at single positions, where it plans most).

`python tests/matrix.py` checks every cell and prints counts and time; `--pairs` checks as many as hold every pair (family and kind of site, kind of
site and edit, family and edit, part and each of them), which is what the test suite does.
"""

import argparse
import copy
import itertools
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from every_edit import BACKWARD, COORDINATES, EDITS, IDENTITIES
from subjects import SUBJECTS, given, subject_model
from torch import Tensor

import sonde
from sonde.access import Run
from sonde.results import EditError

STEP, ROUGH = 1e-4, 1e-2
PARTS = ("whole", "row", "position", "entries")

# formed by a sum that no module returns, the second one for the wanted part only: equal up to rounding
SUMS = ("resid_mid", "attn.result")
# zero is written there up to rounding, which the norms after it blow up: no two computations agree on what follows
UNSTABLE = {("resid_mid", "zero")}
UNFELT = {("pos_embed", "patch")}  # positions are the same whatever the tokens are


@dataclass(frozen=True)
class Cell:
    """One edit at one part of one site in one family."""

    family: str
    name: str
    edit: str
    part: str

    @property
    def kind(self) -> str:
        """The site's name without its tower and block."""
        return re.sub(r"^(text\.|vision\.)?(blocks\.\d+\.)?", "", self.name)


@dataclass(frozen=True)
class Subject:
    """A family's model, the same in double precision, two runs over every site under one kernel, and copies of what the first one holds."""

    model: sonde.Model
    exact: sonde.Model
    inputs: object
    base: Run
    other: Run
    copies: dict[str, Tensor]
    recorded: tuple[str, ...]


@cache
def subject(family: str) -> Subject:
    """The family's tiny model, run twice on different inputs."""
    model = subject_model(family)
    names = list(model.architecture.sites)
    base, other = (model.run(given(model, seed), read=names) for seed in (1, 2))
    recorded = tuple(name for name in names if name.endswith("attn.scores"))[:1]
    exact = sonde.Model(copy.deepcopy(model.module).double(), name=family)
    return Subject(model, exact, given(model, 1), base, other, {name: base[name].clone() for name in names}, recorded)


def cells(families: Iterable[str]) -> list[Cell]:
    """Every site of every family under every edit; the part that is edited goes round, so that every pair with it comes up too."""
    return [
        Cell(family, name, edit, PARTS[(i + j + len(family)) % len(PARTS)])
        for family in families
        for i, name in enumerate(subject(family).model.architecture.sites)
        for j, edit in enumerate(EDITS)
    ]


def pairwise(every: Sequence[Cell], seed: int = 0) -> list[Cell]:
    """So few cells that every pair of values of two factors which is in the matrix is in them: greedy, the same at every call."""

    def pairs(cell: Cell) -> set[tuple[object, ...]]:
        factors = ("family", cell.family), ("kind", cell.kind), ("edit", cell.edit), ("part", cell.part)
        return set(itertools.combinations(factors, 2))

    shuffled = random.Random(seed).sample(every, len(every))
    missing = set().union(*map(pairs, every))
    chosen: list[Cell] = []
    for wanted in range(6, 0, -1):  # first the cells that hold six new pairs, then five ...
        for cell in shuffled:
            new = pairs(cell) & missing
            if len(new) >= wanted:
                missing -= new
                chosen.append(cell)
    return sorted(chosen, key=every.index)


def check(cell: Cell) -> str:
    """Raise `AssertionError` where a law fails; tells whether the edit was "made" or "refused" by name."""
    s = subject(cell.family)
    axes = s.model.architecture.sites[cell.name].axes
    site = selected(cell, axes, s.base[cell.name].shape)
    old = s.base[site]
    bump = 0.5 + torch.rand(old.shape, generator=torch.Generator().manual_seed(3))
    edit, expected = EDITS[cell.edit](s, site, old, bump)
    try:
        run = s.model.run(s.inputs, edits=[edit], read=[cell.name, *s.recorded])
    except EditError:
        assert has_no_meaning(cell, axes, site), f"{edit} was refused"
        return "refused"
    assert not has_no_meaning(cell, axes, site), f"{edit} has no meaning and was made"
    reads_back(cell, s, site, run, expected)
    if run.logits.isnan().any():
        assert s.model.architecture.towers, "the output is NaN"  # two towers divide by the length of what they compare, which may be zero now
        return "made"
    felt(cell, s, run, changed=not torch.equal(expected, old))
    unchanged(cell.family, site, cell.edit if cell.edit in IDENTITIES else "scale")
    assert torch.equal(s.base[cell.name], s.copies[cell.name]), "the edit changed another run's tensor"
    if (cell.kind, cell.edit) not in UNSTABLE:
        if cell.part == "whole":
            flows(cell, s, edit)
        if cell.part == "position":
            swept(s, edit, run)
    return "made"


def has_no_meaning(cell: Cell, axes: Sequence[str], site: sonde.Site) -> bool:
    """A norm divides by its scale, and coordinates are those of a whole last axis that counts no tokens."""
    if cell.edit == "zero":
        return cell.kind.endswith("scale")
    return cell.edit in COORDINATES and (axes[-1] in ("pos", "key") or axes[-1] in dict(site.select))


def selected(cell: Cell, axes: Sequence[str], shape: Sequence[int]) -> sonde.Site:
    """The site with the cell's part of it."""
    site = sonde.Site(cell.name)
    position = next((axis for axis in axes if axis in ("pos", "query")), None)
    if cell.part == "row":
        return site.at(batch=1)
    if cell.part == "position" and position:
        return site.at(**{position: -1})
    if cell.part == "entries":
        return site.at(**{axes[-1]: [0, -1] if shape[-1] > 1 else [0]})
    return site


def reads_back(cell: Cell, s: Subject, site: sonde.Site, run: Run, expected: Tensor) -> None:
    """The first law."""
    spec, whole = s.model.architecture.sites[cell.name], torch.zeros_like(s.base[cell.name]).bool()
    part = sonde.access.selection.resolve(site, s.base.axes(cell.name), whole.shape, s.base.inputs.rows if spec.of_tokens else None)
    sonde.access.selection.put(whole, torch.ones_like(expected).bool(), part)
    wanted = s.base[cell.name].clone()
    sonde.access.selection.put(wanted, expected, part)
    if cell.kind.endswith("attn.scores"):  # the mask stays
        hidden = s.base[cell.name] <= torch.finfo(wanted.dtype).min / 2
        wanted = torch.where(hidden, s.base[cell.name], wanted)
    near = rounding(cell.kind.endswith(SUMS) or cell.edit in COORDINATES)
    assert torch.allclose(run[cell.name], wanted, **near), f"{site}: what is read is not what was written"
    assert torch.allclose(run[cell.name][~whole], s.base[cell.name][~whole], **near), f"{site}: more was changed than was selected"


def felt(cell: Cell, s: Subject, run: Run, changed: bool) -> None:
    """The second law."""
    if not changed:
        assert torch.equal(run.logits, s.base.logits), "nothing was written, and the output differs"
    elif cell.part == "whole" and (cell.kind, cell.edit) not in UNFELT:
        assert not torch.equal(run.logits, s.base.logits), "the edit does not reach the output"


@cache
def unchanged(family: str, site: sonde.Site, edit: str) -> None:
    """The third law."""
    s = subject(family)
    same = IDENTITIES[edit](site, s.base)
    run = s.model.run(s.inputs, edits=[same], read=s.recorded)
    # formed for the wanted part only; encoded from a tensor that may lie otherwise in memory
    formed_again = (site.name.endswith("attn.result") and bool(site.select)) or edit == "swap"
    assert torch.allclose(run.logits, s.base.logits, **rounding(formed_again)), f"{same} changes the output"


def rounding(some: bool) -> dict[str, float]:
    """Tolerances: that of single precision, or none."""
    return {"atol": 1e-5, "rtol": 1e-5} if some else {"atol": 0.0, "rtol": 0.0}


def flows(cell: Cell, s: Subject, edit: sonde.access.Edit) -> None:
    """The fifth law."""
    arch = s.model.architecture
    tower = next((tower.prefix for tower in arch.towers if cell.name.startswith(tower.prefix)), "")
    first = next(name for name in arch.sites if name.startswith(tower))
    grads = s.exact.grad(s.inputs, curved, at=[first, cell.name, *s.recorded], edits=[edit])
    assert grads[cell.name].isfinite().all(), "a gradient is not finite"
    if cell.edit != "zero":  # both branches of a gated MLP are flat there
        assert (grads[cell.name] != 0).any(), "no gradient comes to the edited site"
    if cell.name == first:
        return
    if cell.edit in BACKWARD:
        plain = s.exact.grad(s.inputs, curved, at=[first, *s.recorded])
        assert (cell.kind in ("pos_embed", "type_embed")) == torch.allclose(plain[first], grads[first], atol=1e-9), "the way back is not changed"
        return
    way = torch.randn(grads[first].shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    steps = [s.exact.run(s.inputs, edits=[sonde.Add(first, size * STEP * way), edit], read=s.recorded) for size in (-1, 0, 1)]
    before, here, after = (curved(run).sum().item() for run in steps)
    slopes = sorted([(here - before) / STEP, (after - here) / STEP])  # two: a ReLU may bend right here
    found = (grads[first] * way).sum().item()
    blown_up = 1e-3 if cell.kind == "resid_mid" else 1e-6  # what is written there is written up to rounding
    near = ROUGH * grads[first].norm().item() + blown_up
    assert slopes[0] - near <= found <= slopes[1] + near, f"the gradient through the edit is {found:.4g}, and the slopes {slopes}"


def swept(s: Subject, edit: sonde.access.Edit, run: Run) -> None:
    """The sixth law."""
    if isinstance(edit, sonde.PerRow) and s.model.architecture.towers:
        return  # a sweep stacks the pairs of texts and images, whose numbers differ here
    sweep = s.model.sweep(s.inputs, [edit], curved, verify=False)
    assert torch.allclose(sweep.values[0], curved(run), atol=1e-5), f"a sweep gives {sweep.values[0].tolist()}, and a run {curved(run).tolist()}"


def curved(run: Run) -> Tensor:
    """A metric that every output feels."""
    out = run.logits.flatten(1).double()
    return (out.sin() * torch.linspace(0.5, 1.5, out.shape[1])).mean(1)


def failures(chosen: Iterable[Cell], counts: Counter[str]) -> Iterator[str]:
    """Check some cells, count what happens, and tell the cells whose laws fail."""
    for cell in chosen:
        try:
            counts[check(cell)] += 1
        except Exception as error:
            counts["failed"] += 1
            yield f"{cell}: {type(error).__name__}: {error}"


def main() -> int:
    """Check the matrix, or as many cells as hold every pair."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", action="store_true", help="only as many cells as hold every pair of values of two factors")
    parser.add_argument("--share", default="1/1", help="only a share of the families, such as 1/2 and 2/2 for two processes")
    parser.add_argument("--family", action="append", choices=SUBJECTS, help="only this family; may be given several times")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start, families = time.process_time(), options.family or list(SUBJECTS)
    share, shares = map(int, options.share.split("/"))
    families = families[share - 1 :: shares]
    every = cells(families)
    chosen = pairwise(every) if options.pairs else every
    kinds, counts = {cell.kind for cell in every}, Counter[str]()
    for failure in failures(chosen, counts):
        print(failure, file=sys.stderr)
    print(
        f"{len(families)} families, {len(kinds)} kinds of sites, {len(EDITS)} edits, {len(PARTS)} parts: {len(chosen)} of {len(every)} cells; "
        f"{counts['made']} made, {counts['refused']} refused by name, {counts['failed']} failed; {time.process_time() - start:.0f} s of a processor"
    )
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
