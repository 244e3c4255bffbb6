"""Pictures beside the picture that was asked about: which training pictures help it, and which harm it?"""

from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from sonde.influence.drawings import UNIT
from sonde.influence.results import SIGN, Scores
from sonde.results import Drawing, InputError, shown
from sonde.results.drawing import picture_grid, tabs


def pictures(
    scores: Scores, train: Float[Tensor, "example ..."], asked: Float[Tensor, "query ..."], shape: tuple[int, int] | None = None, k: int = 6,
    queries: Sequence[int] | None = None,
) -> Drawing:  # fmt: skip
    """Draw each query's picture, and under it the most helpful and the most harmful training pictures, each with its tau.

    Arguments:
        scores: of these queries and examples.
        train, asked: the pictures, pixels from 0 to 1, with axes (row, col), or flat.
        shape: (row, col) of flat pictures.
        k: how many of either kind.
        queries: which; all if not given.

    Raises:
        InputError: pictures that are not those of the scores, or have no rows and columns.

    >>> import torch
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
    rows = {"asked about": [], "helpful": scores.helpful(query, k), "harmful": scores.harmful(query, k)}
    cols = max(1, *(len(ranked) for ranked in rows.values()))

    def line(ranked: list[tuple[int, float]], empty: Any, made: Callable[[int, float], Any]) -> list[Any]:
        return [made(*pair) for pair in ranked] + [empty] * (cols - len(ranked))

    shown_rows = [line(ranked, None, lambda i, _: grids[i][None]) for ranked in rows.values()]
    shown_rows[0][0] = own[None]
    details = [line(ranked, "", lambda i, _: scores.examples[i]) for ranked in rows.values()]
    details[0][0] = f"{scores.queries[query]}, {scores.query_values[query]:.3g}"
    return picture_grid(
        f"Which training pictures bear on {scores.of} of {scores.queries[query]}?", UNIT, shown_rows, row_name="", rows=list(rows), col_name="rank",
        cols=range(1, cols + 1), values=[line(ranked, None, lambda _, tau: tau) for ranked in rows.values()], details=details, note=f"{SIGN}.",
    )  # fmt: skip


def _grids(given: Tensor, shape: tuple[int, int] | None) -> Tensor:
    if shape is None and given.ndim == 4 and given.shape[1] == 1:
        given = given[:, 0]
    if shape is None and given.ndim != 3:
        raise InputError(f"pictures of {tuple(given.shape)} have no rows and columns: give shape=(row, col)")
    if shape is not None and given[0].numel() != shape[0] * shape[1]:
        raise InputError(f"shape={shown(shape)}: a picture has {given[0].numel()} pixels")
    found = given.detach().float().cpu()
    return found if shape is None else found.reshape(len(found), *shape)
