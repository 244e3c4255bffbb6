"""What EK-FAC is timed on: a transformer in the shape of a small GPT-2 with random weights, of separate linear maps, and random sequences.

The numbers are compared on a few sequences with the labels of the data, where nothing is drawn; timed are sampled labels, the default of all.
"""

from typing import Any

WIDTH, HEADS, LAYERS, VOCAB, POSITIONS = 256, 4, 4, 512, 128
TRAIN, QUERIES, ROWS = 200, 32, 50  # sequences, queries, sequences in a pass where a subject does not choose by itself
MEASURED = 100  # sequences of the job that looks at memory alone, which does not depend on how many there are
CHECKED, ASKED = 24, 4  # sequences and queries that are compared
MAPS = ("q", "k", "v", "o", "up", "down")  # in each block
TRACKED = [f"blocks.{i}.{name}" for i in range(LAYERS) for name in MAPS]


def network(width: int = WIDTH, layers: int = LAYERS, heads: int = HEADS) -> Any:
    """The transformer, in evaluation mode.

    Arguments:
        width, layers, heads: of it; the MLP is four times as wide.
    """
    import torch
    from torch import nn
    from torch.nn.functional import gelu, scaled_dot_product_attention

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            read = self.norm1(x)
            q, k, v = (map_(read).unflatten(-1, (heads, -1)).transpose(1, 2) for map_ in (self.q, self.k, self.v))
            x = x + self.o(scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
            return x + self.down(gelu(self.up(self.norm2(x))))

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.places = nn.Embedding(VOCAB, width), nn.Embedding(POSITIONS, width)
            self.blocks, self.norm = nn.ModuleList(Block() for _ in range(layers)), nn.LayerNorm(width)

        def forward(self, ids: Any) -> Any:
            x = self.embed(ids) + self.places.weight[: ids.shape[1]]
            for block in self.blocks:
                x = block(x)
            return self.norm(x) @ self.embed.weight.T

    torch.manual_seed(0)
    found = Transformer().eval()
    with torch.no_grad():  # with the standard embedding the softmax is saturated, and the gradients of drawn labels are exactly zero
        found.embed.weight.mul_(0.02)
        found.places.weight.mul_(0.02)
    return found


def sequences(n: int, seed: int) -> Any:
    """Random token ids, (n, positions).

    Arguments:
        n: how many.
        seed: 1 for training, 2 for queries.
    """
    import torch

    return torch.randint(VOCAB, (n, POSITIONS), generator=torch.Generator().manual_seed(seed))


def loss(logits: Any, ids: Any) -> Any:
    """Each sequence's loss, the sum over its tokens.

    Arguments:
        logits, ids: of the sequences.
    """
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none").sum(1)


def drawn(logits: Any) -> Any:
    """Labels that the model draws, in the shape of the tokens after the first.

    Arguments:
        logits: of the sequences.
    """
    import torch

    p = logits[:, :-1].detach().softmax(-1)
    return torch.multinomial(p.flatten(0, 1), 1).view(p.shape[:2])


def answer(scores: Any) -> dict[str, Any]:
    """What is compared: the scores beside the largest of them.

    Arguments:
        scores: (query, sequence).
    """
    return {"scores": scores / scores.abs().max()}
