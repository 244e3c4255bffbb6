"""A character LSTM: two layers between an embedding of characters and their scores (Hochreiter and Schmidhuber 1997; Graves 2013)."""

from torch import Tensor, nn


class CharLSTM(nn.Module):
    """Says after each character what may come next.

    Arguments:
        d_vocab: how many characters there are.
        d_model: width of the embedding and of both layers.

    >>> import torch
    >>> CharLSTM(d_vocab=30, d_model=8)(torch.tensor([[3, 1, 4]])).shape
    torch.Size([1, 3, 30])
    """

    def __init__(self, d_vocab: int, d_model: int = 128):
        super().__init__()
        self.embed, self.unembed = nn.Embedding(d_vocab, d_model), nn.Linear(d_model, d_vocab)
        self.lstm0, self.lstm1 = nn.LSTM(d_model, d_model, batch_first=True), nn.LSTM(d_model, d_model, batch_first=True)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits, (batch pos vocab), of ids, (batch pos)."""
        scores: Tensor = self.unembed(self.lstm1(self.lstm0(self.embed(ids))[0])[0])
        return scores
