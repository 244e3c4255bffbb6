"""A network whose circuit is known because it was written down."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sonde.access import Tokenizer
from sonde.nn import Transformer
from sonde.results import InputError
from sonde.specimens.compiled.assembly import BOS, UNKNOWN
from sonde.specimens.compiled.graph import Circuit, Edge, Head, Kind
from sonde.tasks import Task, pair

Example = tuple[str, str, str, str]
"""A prompt, its partner, the right next word and the one that it is compared with."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """A program as a network: `sonde.load(program.model, program.tokenizer)` opens it.

    Arguments:
        name: the program's.
        summary: what it computes, in a sentence.
        model: the network.
        tokenizer: of whole words; every text begins with `<bos>`.
        truth: the circuit, for each kind of ablation that it is known for.
        draw: one example; all have the same number of tokens.
        heads: the written heads, by what they do.
    """

    name: str
    summary: str
    model: Transformer
    tokenizer: Tokenizer
    truth: Mapping[Kind, Circuit]
    draw: Callable[[random.Random], Example]
    heads: Mapping[str, Head] = field(default_factory=dict)

    def examples(self, n: int = 16, seed: int = 0) -> Task:
        """Examples of what the program is for, no prompt twice; the metric is the logit difference at the last token.

        Arguments:
            n: how many.
            seed: of the draws.

        Raises:
            InputError: the program has fewer examples.
        """
        rng = random.Random(seed)
        drawn: dict[str, Example] = {}
        for _ in range(50 * n):
            example = self.draw(rng)
            drawn.setdefault(example[0], example)
            if len(drawn) == n:
                return Task.of([pair(self.tokenizer, *example) for example in drawn.values()], self.name)
        raise InputError(f"n={n}: {self.name} was found to have {len(drawn)} examples; ask for fewer")

    def dead(self, kind: Kind) -> frozenset[Edge]:
        """Edges that zero ablation shows and this kind does not: the weights connect, but what is read is the same in the partners.

        Arguments:
            kind: of ablation.
        """
        return self.truth["zero"].edges - self.truth[kind].edges

    def save(self, folder: str | Path) -> None:
        """Write a folder that `sonde.load` reads, with the truth in `truth.json`.

        Arguments:
            folder: made if it is missing.
        """
        folder = Path(folder)
        self.model.save(folder, self.tokenizer.backend)
        special = {"bos_token": BOS, "pad_token": BOS, "unk_token": UNKNOWN, "add_bos": True}
        circuits = {kind: {part: sorted(held) for part, held in vars(circuit).items()} for kind, circuit in self.truth.items()}
        truth = {"name": self.name, "heads": {role: str(head) for role, head in self.heads.items()}, "circuits": circuits}
        for file, content in (("tokenizer_config.json", special), ("truth.json", truth)):
            (folder / file).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
