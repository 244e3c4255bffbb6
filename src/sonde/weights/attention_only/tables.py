"""What can be told of the next token without any network: from tables of the text.

No layer can know more than a bigram table. What one layer adds is a sum of skip-trigrams "A ... B -> C"; the commonest of them says again what stood
before (A = C), and its share is measured by a table with one number: bigrams, and each token that stood in the row before is so many times as likely.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

SMOOTHING = 0.1  # added to every count
TIMES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)
KINDS = ("new in its row", "said before, not after this token", "said before after this token")


def kinds_of(ids: Int[Tensor, "row pos"]) -> Int[Tensor, "row next_pos"]:
    """For each token but the first: 0 new in its row, 1 said before, 2 said before after the same token.

    Arguments:
        ids: rows of tokens.

    >>> kinds_of(torch.tensor([[7, 8, 7, 8, 8]])).tolist()
    [[0, 1, 2, 1]]
    """
    following, before = ids[:, 1:], ids[:, :-1]
    size = following.shape[1]
    earlier = torch.ones(size, size).tril(-1).bool()
    pair = (following[:, :, None] == following[:, None]) & (before[:, :, None] == before[:, None]) & earlier
    seen = (following[:, :, None] == ids[:, None, :-1]) & torch.ones(size, size).tril().bool()
    return seen.any(-1).long() + pair.any(-1).long()


def table_losses(train: Int[Tensor, "train_row pos"], ids: Int[Tensor, "row pos"], d_vocab: int) -> dict[str, Float[Tensor, "row next_pos"]]:
    """The loss of each token but the first by tables of the training text, in nats.

    Arguments:
        train: the rows that are counted.
        ids: the rows that are measured.
        d_vocab: how many tokens there are.
    """
    following = train[:, 1:]
    single = torch.bincount(following.flatten(), minlength=d_vocab).float() + SMOOTHING
    flat = train[:, :-1].flatten() * d_vocab + following.flatten()
    pairs = torch.bincount(flat, minlength=d_vocab**2).view(d_vocab, d_vocab).float() + SMOOTHING * single / single.sum() * d_vocab
    log_single, log_pairs = (single / single.sum()).log(), (pairs / pairs.sum(1, keepdim=True)).log()
    some = train[: max(8, len(ids))]
    times = min(TIMES, key=lambda factor: float(_said_before(log_pairs, some, factor).mean()))
    return {
        "single tokens": -log_single[ids[:, 1:]],
        "bigrams": _said_before(log_pairs, ids, 1.0),
        f"bigrams, {times:g} times as likely if said before": _said_before(log_pairs, ids, times),
    }


def _said_before(log_pairs: Float[Tensor, "current following"], ids: Int[Tensor, "row pos"], times: float) -> Float[Tensor, "row next_pos"]:
    """Bigrams, in which the tokens that stood in the row before are so many times as likely."""
    rows, n = ids.shape
    stood = torch.zeros(rows, n - 1, len(log_pairs)).scatter_(-1, ids[:, :-1, None], 1.0).cummax(1).values
    told = (log_pairs[ids[:, :-1]] + stood * torch.tensor(times).log()).log_softmax(-1)
    return -told.gather(-1, ids[:, 1:, None])[..., 0]
