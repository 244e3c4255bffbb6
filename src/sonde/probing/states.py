"""What a model holds at each example: the vectors that probes read, by site."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from sonde.probing.labelled import Index, Labelled
from sonde.results import InputError, shown


@dataclass(frozen=True, eq=False, repr=False)
class States:
    """Activations by site, one row for each example.

    Arguments:
        values: by site, float32 (example entry); of pairs the two vectors side by side.
        data: the examples, those left out that the model could not take.
        positions: the token at which each example ends, counted in its row; of pairs how many tokens the second ends after the first.
        pooling: how a word of several tokens became one vector.
        model_hash: of the model that was read; empty where the activations were given.
        notes: what was decided, left out or is suspicious.

    Raises:
        InputError: other numbers of rows than examples; activations that are not finite.
    """

    values: Mapping[str, Float[Tensor, "example entry"]]
    data: Labelled
    positions: Int[Tensor, " example"]
    pooling: str = ""
    model_hash: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for site, x in self.values.items():
            if x.ndim != 2 or len(x) != len(self.data):
                raise InputError(f"the activations of {site!r} are {tuple(x.shape)} for {len(self.data)} examples: give one row for each")
            # the sum is finite unless an entry is not, or the entries are far beyond what float32 should hold
            if not bool(x.sum().isfinite()) and not bool(x.isfinite().all()):
                i = int((~x.isfinite()).any(1).nonzero()[0])
                what = shown(self.data.types[i], 40)
                raise InputError(f"the activations of {site!r} hold nan or inf at example {i} ({what}): a probe can't read them")

    @staticmethod
    def of(
        values: Float[Tensor, "example entry"] | Mapping[str, Float[Tensor, "example entry"]], targets: Sequence[object] | Shaped[Tensor, " example"],
        name: str = "label", classes: Sequence[str] = (), types: Sequence[str] | None = None,
        groups: Sequence[object] | Shaped[Tensor, " example"] | None = None,
    ) -> "States":  # fmt: skip
        """Activations that were read elsewhere.

        Arguments:
            values: one row for each example; by site, where there are several.
            targets: as for `Labelled.of`.
            name: what is asked.
            classes: the classes' names, where the targets are their numbers.
            types: what stands at each example; by default all are different.
            groups: what must stay together; by default nothing.

        Raises:
            InputError: as for `Labelled.of`; other numbers of rows than targets.

        >>> States.of(torch.eye(3), ["a", "b", "a"])
        States of 'label' at 1 sites (given 3): 3 examples in 3 texts; a 2, b 1
        """
        held = values if isinstance(values, Mapping) else {"given": values}
        n = len(targets)
        data = Labelled.of(torch.arange(n), targets, name, classes=classes, types=types, groups=groups)
        return States({site: x.detach().float() for site, x in held.items()}, data, torch.zeros(n, dtype=torch.long))

    def __len__(self) -> int:
        return len(self.data)

    @property
    def sites(self) -> list[str]:
        """The sites in the order of the computation."""
        return list(self.values)

    @property
    def y(self) -> Shaped[Tensor, " example"]:
        """The targets: numbers of classes, or numbers to be told."""
        return self.data.targets

    def __getitem__(self, site: str) -> Float[Tensor, "example entry"]:
        if site not in self.values:
            raise InputError(f"{site!r} was not read; there are {', '.join(self.values)}")
        return self.values[site]

    def select(self, index: Index) -> "States":
        """Some of the examples.

        Arguments:
            index: their numbers, or true where they are wanted.
        """
        index = torch.as_tensor(index)
        return replace(
            self, values={site: x[index] for site, x in self.values.items()}, data=self.data.select(index), positions=self.positions[index]
        )  # fmt: skip

    def __repr__(self) -> str:
        sites = ", ".join(f"{site} {x.shape[1]}" for site, x in list(self.values.items())[:4])
        more = ", ..." if len(self.values) > 4 else ""
        return f"States of {self.data.name!r} at {len(self.values)} sites ({sites}{more}): {self.data.summary}"
