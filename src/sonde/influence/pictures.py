"""Pictures beside the picture that was asked about: which training pictures help it, and which harm it?"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.influence.drawings import UNIT
from sonde.influence.results import SIGN, Scores
from sonde.results import Drawing, InputError, shown
from sonde.results.drawing import overlay, tabs

GAP = 1  # pixels between pictures, white


def pictures(
    scores: Scores, train: Float[Tensor, "example ..."], asked: Float[Tensor, "query ..."], shape: tuple[int, int] | None = None, k: int = 6,
    queries: Sequence[int] | None = None,
) -> Drawing:  # fmt: skip
    """Draw each query's picture, and to its right the most helpful training pictures above the most harmful ones, each shaded by its tau.

    Arguments:
        scores: of these queries and examples.
        train, asked: the pictures, pixels from 0 to 1 (paper is 0, as in `digits`), with axes (row, col), or flat.
        shape: (row, col) of flat pictures.
        k: how many of either kind.
        queries: which; all if not given.

    Raises:
        InputError: pictures that are not those of the scores, or have no rows and columns.

    >>> from sonde.influence import CrossEntropy, fit
    >>> x, y = torch.rand(20, 9), torch.arange(20) % 3
    >>> scores = fit(torch.nn.Linear(9, 3), (x, y), CrossEntropy()).scores((x[:2], y[:2]))
    >>> pictures(scores, x, x[:2], (3, 3), k=2).kind
    'tabs'
    """
    chosen = list(range(len(scores.queries))) if queries is None else list(queries)
    if not chosen or any(not 0 <= q < len(scores.queries) for q in chosen):
        raise InputError(f"queries={shown(queries)}: there are {len(scores.queries)}, counted from 0")
    if (len(train), len(asked)) != (len(scores.examples), len(scores.queries)):
        raise InputError(
            f"{len(train)} and {len(asked)} pictures for {len(scores.examples)} examples and {len(scores.queries)} queries: give one for each"
        )
    grids, own = _grids(train, shape), _grids(asked, shape)
    views: list[tuple[str, Drawing]] = [(f"{q}: {scores.queries[q]}"[:60], _view(scores, grids, own[q], q, k)) for q in chosen]
    return views[0][1] if len(views) == 1 else tabs(f"Which training pictures bear on {scores.of}?", views)


def _view(scores: Scores, grids: Tensor, own: Tensor, query: int, k: int) -> Drawing:
    helpful, harmful = scores.helpful(query, k), scores.harmful(query, k)
    rows, cols = own.shape
    high, wide = rows + 2 * GAP, cols + 2 * GAP
    sheet = torch.zeros(2 * high, (k + 1) * wide)
    # zeros are drawn as paper, and what is missing would be hatched over the query
    values = [[0.0] * (k + 1) for _ in range(2)]
    # the query stands alone at the left, half way down
    top = high - rows // 2
    sheet[top : top + rows, GAP : GAP + cols] = own
    for row, ranked in enumerate((helpful, harmful)):
        for col, (i, tau) in enumerate(ranked, start=1):
            sheet[row * high + GAP : row * high + GAP + rows, col * wide + GAP : col * wide + GAP + cols] = grids[i]
            values[row][col] = tau
    named = [", ".join(f"{i} ({tau:+.3g})" for i, tau in ranked) or "none" for ranked in (helpful, harmful)]
    title = f"Which training pictures bear on {scores.of} of {scores.queries[query]}?"
    note = f"Left: the query, by itself. Above the most helpful, below the most harmful. Helpful: {named[0]}. Harmful: {named[1]}. {SIGN}."
    return overlay(title, UNIT, (1 - sheet)[None], values, zero="no influence", note=note)


def _grids(given: Tensor, shape: tuple[int, int] | None) -> Tensor:
    if shape is None and given.ndim == 4 and given.shape[1] == 1:
        given = given[:, 0]
    if shape is None and given.ndim != 3:
        raise InputError(f"pictures of {tuple(given.shape)} have no rows and columns: give shape=(row, col)")
    if shape is not None and given[0].numel() != shape[0] * shape[1]:
        raise InputError(f"shape={shown(shape)}: a picture has {given[0].numel()} pixels")
    found = given.detach().float().cpu()
    return found if shape is None else found.reshape(len(found), *shape)
