"""A classifier of texts that looks at its words through one attention: the network of the papers on attention as explanation.

    h = encoder(embed(words));  alpha = softmax(score(h, question)) over the words;  y = softmax(head(sum_t alpha_t h_t))

(Jain and Wallace 2019, "Attention is not explanation", section 2; Wiegreffe and Pinter 2019, "Attention is not not explanation".) Of two classes the
softmax is the sigmoid of the difference of their two scores. Since the head is linear, each word has votes for the classes, and the output under any
other weights follows from them exactly, without another run of the encoder.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sonde.access import Model
from sonde.attribution.attention.encoders import ENCODERS
from sonde.attribution.attention.texts import PAD, SPECIAL, Rows, Texts, encode
from sonde.attribution.attention.weighing import WEIGHINGS, equal
from sonde.nn import storage
from sonde.results import InputError, shown

Encoder = Literal["bilstm", "projection", "cnn"]
Weighing = Literal["additive", "dot", "uniform"]


@dataclass(frozen=True)
class AttentionConfig:
    """The shape of an attention classifier, and the words and classes that it knows."""

    model_type: ClassVar[str] = "sonde-attention"
    """What a folder recognises the network by."""

    vocabulary: tuple[str, ...]
    """The words by their numbers; padding and the unknown word first."""
    classes: tuple[str, ...]
    """The names of the classes."""
    encoder: Encoder = "bilstm"
    """What makes states of words: "bilstm" and "cnn" see the words around, "projection" sees each word alone."""
    attention: Weighing = "additive"
    """What gives the weights: "additive", "dot" (scaled dot product), or "uniform": 1 / length, frozen."""
    asks: bool = False
    """Whether there is a question beside the text that the weights depend on."""
    d_embed: int = 64
    """Width of the embeddings."""
    d_hidden: int = 64
    """Width of the states, a multiple of 4."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", tuple(self.vocabulary))  # lists, where they were read from JSON
        object.__setattr__(self, "classes", tuple(self.classes))
        for name, known in (("encoder", ENCODERS), ("attention", WEIGHINGS)):
            if getattr(self, name) not in known:
                raise InputError(f"{name}={shown(getattr(self, name))} is unknown: give one of {', '.join(known)}")
        if self.vocabulary[:2] != SPECIAL:
            raise InputError(f"the vocabulary must begin with {' and '.join(SPECIAL)}, as Corpus.vocabulary() gives it")
        if self.d_hidden % 4 or self.d_hidden < 4:
            raise InputError(f"d_hidden={self.d_hidden} is no multiple of 4: the parts of an encoder share it")


class AttentionClassifier(nn.Module):
    """A classifier of texts with one attention.

    Arguments:
        config: its shape, words and classes.

    >>> net = AttentionClassifier(AttentionConfig(("<pad>", "<unknown>", "good", "bad"), ("no", "yes")))
    >>> net(torch.tensor([[2, 3, 0]])).shape
    torch.Size([1, 2])
    """

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__()
        self.config = config
        # the padding's embedding is zero and stays so: a convolution sees beyond a text's end what it sees beyond a row's
        self.embed = nn.Embedding(len(config.vocabulary), config.d_embed, padding_idx=PAD)
        self.encoder = ENCODERS[config.encoder](config.d_embed, config.d_hidden)
        self.attention = WEIGHINGS[config.attention](config.d_hidden, config.d_embed, config.asks)
        self.head = nn.Linear(config.d_hidden, len(config.classes))

    def forward(
        self, ids: Int[Tensor, "row pos"], question: Int[Tensor, "row word"] | None = None, weights: Float[Tensor, "row pos"] | None = None
    ) -> Float[Tensor, "row cls"]:
        """Logits of the classes.

        Arguments:
            ids: the words, 0 where a row has none.
            question: the words of the question, where the network takes one.
            weights: used instead of the network's own; each row sums to 1.

        Raises:
            InputError: a question is missing or not wanted, or weights of another shape or on padding.
        """
        states = self.states(ids)
        if weights is None:
            weights = self.weigh(states, ids, question)
        elif weights.shape != ids.shape or bool((weights * (ids == PAD)).any()):
            raise InputError(f"weights of shape {tuple(weights.shape)} for words of {tuple(ids.shape)}: give one per word, and 0 on padding")
        return self.head((weights[:, None] @ states)[:, 0])

    def states(self, ids: Int[Tensor, "row pos"]) -> Float[Tensor, "row pos hidden"]:
        """What the encoder makes of the words."""
        return self.encoder(self.embed(ids), ids != PAD)

    def weigh(
        self, states: Float[Tensor, "row pos hidden"], ids: Int[Tensor, "row pos"], question: Int[Tensor, "row word"] | None
    ) -> Float[Tensor, "row pos"]:
        """The weights of the words, which sum to 1; padding has exactly 0."""
        if self.config.asks != (question is not None):
            raise InputError("this classifier takes a question beside each text" if self.config.asks else "this classifier takes no question")
        return self.attention(states, ids != PAD, None if question is None else self._asked(question))

    def _asked(self, question: Int[Tensor, "row word"]) -> Float[Tensor, "row d_embed"]:
        """A question is the mean of its words: their order is not seen."""
        real = (question != PAD).float()[:, None]
        return (real @ self.embed(question))[:, 0] / real.sum(-1)

    def rows(self, texts: Texts) -> Rows:
        """Texts as the numbers of this network's words."""
        return encode(texts, self.config.vocabulary)

    @torch.no_grad()
    def attend(self, texts: Texts | Rows, batch_size: int = 256) -> "Attended":
        """Weights and votes of all words of all texts.

        Arguments:
            texts: as texts, or already as rows.
            batch_size: texts that are run at once.
        """
        rows = self.rows(texts) if isinstance(texts, Texts) else texts
        votes = torch.zeros(*rows.ids.shape, len(self.config.classes))
        weights = torch.zeros(rows.ids.shape)
        for chosen, batch in rows.batches(batch_size):
            states = self.states(batch.ids)
            width = batch.ids.shape[1]
            weights[chosen, :width] = self.weigh(states, batch.ids, batch.questions)
            votes[chosen, :width] = states @ self.head.weight.T
        return Attended(weights, votes * rows.mask[..., None], self.head.bias.detach().clone(), rows.mask, rows.labels)

    @property
    def hash(self) -> str:
        """The content hash that `sonde.Model` gives this network."""
        return Model(self).hash

    def load_stored(self, weights: dict[str, Tensor]) -> None:
        """Take over the weights of an equally shaped network.

        Arguments:
            weights: by name; they become the parameters themselves, without a copy.

        Raises:
            LoadError: a tensor is missing, unknown or of another shape.
        """
        storage.fit(self.state_dict(), weights)
        self.load_state_dict(weights, assign=True)

    def save(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors`.

        Arguments:
            folder: made if it is missing.
        """
        storage.write(folder, self.config, self.state_dict())

    @classmethod
    def load(cls, folder: str | Path) -> "AttentionClassifier":
        """Read a folder written by `save`.

        Arguments:
            folder: with `config.json` and `model.safetensors`.

        Raises:
            LoadError: a file is missing, unreadable, or not of this kind of network.
        """
        return storage.read(folder, cls, AttentionConfig, torch.float32)


@dataclass(frozen=True, eq=False)
class Attended:
    """What a classifier makes of texts, with which the output under any weights can be reckoned.

    Arguments:
        weights: the network's own.
        votes: what each word's state would give each class, were all weight on it; without the head's bias.
        bias: of the head.
        mask: true where there is a word.
        labels: the texts' classes.
    """

    weights: Float[Tensor, "row pos"]
    votes: Float[Tensor, "row pos cls"]
    bias: Float[Tensor, " cls"]
    mask: Bool[Tensor, "row pos"]
    labels: Int[Tensor, " row"]

    def under(self, weights: Float[Tensor, "row draw pos"]) -> Float[Tensor, "row draw cls"]:
        """The probabilities of the classes under other weights, several for each text."""
        return (weights @ self.votes + self.bias).softmax(-1)

    @property
    def probabilities(self) -> Float[Tensor, "row cls"]:
        """The network's own output."""
        return self.under(self.weights[:, None])[:, 0]

    @property
    def predicted(self) -> Int[Tensor, " row"]:
        """The likeliest class of each text."""
        return self.probabilities.argmax(-1)

    @property
    def uniform(self) -> Float[Tensor, "row pos"]:
        """The same weight on every word of a text."""
        return equal(self.mask)
