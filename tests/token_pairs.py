"""Tasks of token ids for models without a tokenizer."""

import torch

from sonde.tasks import LogitDifference, Task

LENGTH = 7


def random_pairs(n=3, length=LENGTH, vocab=40, changed=(2, 4), seed=0, ragged=False):
    """Random rows; each counterfactual differs at two places."""
    generator = torch.Generator().manual_seed(seed)
    clean = torch.randint(1, vocab, (n, length), generator=generator)
    corrupt = clean.clone()
    for place in changed:
        corrupt[:, place] = (clean[:, place] + torch.randint(1, vocab - 1, (n,), generator=generator)) % vocab
    rows = [[tuple(row[: length - (i if ragged else 0)]) for i, row in enumerate(ids.tolist())] for ids in (clean, corrupt)]
    answers, wrongs = torch.randperm(vocab, generator=generator)[: 2 * n].view(2, n).tolist()
    metric = LogitDifference(answers, foils=wrongs)
    texts = tuple(str(row) for row in rows[0])
    sets = tuple((a,) for a in answers), tuple((w,) for w in wrongs)
    return Task("random", tuple(rows[0]), tuple(rows[1]), *sets, metric, texts, texts)
