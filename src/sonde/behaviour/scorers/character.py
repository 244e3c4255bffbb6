"""A network of characters as a scorer, and the reader of two that were trained on the novels of Charlotte Bronte and on Darwin's books.

The stored weights are TensorFlow's: z = [x, h] kernel + bias falls into i, j, f, o, and c = c sigmoid(f + 1) + sigmoid(i) tanh(j); torch's order
is i, f, j, o. The 1 in the forget gate is not stored, and without it the network is plausible and worse.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from sonde.access import Model, log_likelihoods
from sonde.behaviour.scorers.scorer import Span, unread
from sonde.nn import permuted
from sonde.nn.charlstm import CharLSTM
from sonde.results import InputError, LoadError, content_hash, shown

START = "\n"  # stands before every text, as a new line does


@dataclass(frozen=True)
class CharacterScorer:
    """A network that reads characters from left to right.

    Arguments:
        model: maps ids (batch pos) to logits (batch pos vocab).
        vocabulary: each character's id.
        start: the character that stands before every text.
    """

    model: Model
    vocabulary: Mapping[str, int]
    start: str = START
    kind: str = field(default="lstm", init=False)
    before: int = field(default=1, init=False)
    after: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def hash(self) -> str:
        """Of the network and its characters."""
        return content_hash([self.model.hash, dict(self.vocabulary), self.start])

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands before a text."""
        return (f"{self.name}: the character {self.start!r} put before each text",)

    def rows(self, texts: Sequence[str]) -> list[list[int] | InputError]:
        """Each text's characters, or why it can't be read."""
        return [unread(text) or self._row(text) for text in texts]

    def _row(self, text: str) -> list[int] | InputError:
        missing = next((character for character in text if character not in self.vocabulary), None)
        if missing is not None:
            return InputError(f"{shown(text, 40)} holds {missing!r}, which {self.name} does not know: leave it out, or use another model")
        return [self.vocabulary[character] for character in self.start + text]

    def spans(self, text: str) -> list[Span]:
        """Each character's own."""
        return [(i, i + 1) for i in range(len(text))]

    def score(self, rows: Sequence[Sequence[int]], progress: bool = False) -> list[list[float]]:
        """The log-probability of each character; NaN for a row's first."""
        return log_likelihoods(self.model, rows, progress=progress)

    def unknown(self, rows: Sequence[Sequence[int]]) -> int:
        """None: a text with such a character can't be read."""
        return 0

    def control(self, seed: int) -> "CharacterScorer":
        """The same network with the entries of its weights in random order."""
        return CharacterScorer(Model(permuted(self.model.module, seed), name=f"{self.name}, weights permuted"), self.vocabulary, self.start)


def char_lstm(folder: str | Path, name: str = "") -> CharacterScorer:
    """Read a character LSTM from `NAME.safetensors` and `NAME_vocab.json`, as ml5's charRNN models are stored.

    Arguments:
        folder: that holds both files.
        name: of the files; may be left out where the folder holds one network.

    Raises:
        LoadError: a file is missing or is not of this form.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder).expanduser()
    names = sorted(path.name.removesuffix("_vocab.json") for path in folder.glob("*_vocab.json"))
    if not name and len(names) == 1:
        name = names[0]
    if name not in names:
        found = f"it holds {', '.join(names)}: name one" if names else "it holds none"
        raise LoadError(f"{folder} holds no character network {name!r} (NAME.safetensors and NAME_vocab.json); {found}")
    try:
        stored = load_file(folder / f"{name}.safetensors")
        vocabulary = json.loads((folder / f"{name}_vocab.json").read_text(encoding="utf-8"))
        module = _network(stored)
    except (OSError, ValueError, SafetensorError, KeyError, RuntimeError) as error:
        raise LoadError(f"the character network {name!r} in {folder} can't be read: {shown(str(error))}") from None
    if START not in vocabulary or sorted(vocabulary.values()) != list(range(len(stored["embedding"]))):
        raise LoadError(f"{name}_vocab.json in {folder} does not number the {len(stored['embedding'])} characters of the network")
    return CharacterScorer(Model(module, name=name), vocabulary)


def _network(stored: Mapping[str, Tensor]) -> CharLSTM:
    d_vocab, width = stored["embedding"].shape
    module = CharLSTM(d_vocab, width)
    weights = {"embed.weight": stored["embedding"], "unembed.weight": stored["softmax.weight"].T, "unembed.bias": stored["softmax.bias"]}
    for i in range(2):
        kernel, bias = (_gates(stored[f"lstm{i}.{part}"]) for part in ("kernel", "bias"))
        bias[width : 2 * width] += 1
        weights |= {f"lstm{i}.weight_ih_l0": kernel[:width].T, f"lstm{i}.weight_hh_l0": kernel[width:].T, f"lstm{i}.bias_ih_l0": bias}
        weights[f"lstm{i}.bias_hh_l0"] = torch.zeros_like(bias)
    module.load_state_dict(weights)
    return module.eval()


def _gates(packed: Tensor) -> Tensor:
    """TensorFlow's i, j, f, o in torch's order."""
    i, j, f, o = packed.chunk(4, dim=-1)
    return torch.cat([i, f, j, o], dim=-1)
