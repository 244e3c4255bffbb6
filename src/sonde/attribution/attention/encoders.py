"""What makes states of words: two encoders that see the words around each, and one that does not.

Each takes the embeddings and the mask of the words. Padding never reaches a word's state.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

Embedded = Float[Tensor, "row pos d_embed"]
Mask = Bool[Tensor, "row pos"]
States = Float[Tensor, "row pos d_hidden"]


class BiLSTM(nn.Module):
    """An LSTM from the left and one from the right: every state knows the whole text."""

    def __init__(self, d_embed: int, d_hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(d_embed, d_hidden // 2, batch_first=True, bidirectional=True)

    def forward(self, embedded: Embedded, mask: Mask) -> States:
        packed = pack_padded_sequence(embedded, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=mask.shape[1])[0]


class Projection(nn.Module):
    """tanh(W e_t + b): every state knows its own word alone."""

    def __init__(self, d_embed: int, d_hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(d_embed, d_hidden)

    def forward(self, embedded: Embedded, mask: Mask) -> States:
        return torch.tanh(self.linear(embedded))


class Convolutions(nn.Module):
    """Convolutions over 1, 3, 5 and 7 words: every state knows up to three words on both sides."""

    def __init__(self, d_embed: int, d_hidden: int) -> None:
        super().__init__()
        self.widths = nn.ModuleList(nn.Conv1d(d_embed, d_hidden // 4, width, padding=width // 2) for width in (1, 3, 5, 7))

    def forward(self, embedded: Embedded, mask: Mask) -> States:
        channels = (embedded * mask[..., None]).transpose(1, 2)
        return torch.cat([conv(channels) for conv in self.widths], 1).relu().transpose(1, 2)


ENCODERS: dict[str, type[BiLSTM] | type[Projection] | type[Convolutions]] = {"bilstm": BiLSTM, "projection": Projection, "cnn": Convolutions}
