"""What the fits of erasers are timed on: activations with the spectrum of a residual stream, and two classes that lie apart in them."""

from typing import Any

ROWS, WIDTH = 100_000, 768
STREAM = 8_192  # rows at a time


def activations() -> tuple[Any, Any]:
    """Rows in float32, and the class of each."""
    import torch

    generator = torch.Generator().manual_seed(7)
    classes = torch.randint(0, 2, (ROWS,), generator=generator)
    spread = torch.arange(1, WIDTH + 1).float().pow(-0.5)  # few directions hold most of the variance
    turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator))[0]
    apart = 0.2 * torch.nn.functional.normalize(torch.randn(WIDTH, generator=generator), dim=0)
    x = torch.randn(ROWS, WIDTH, generator=generator).mul_(spread) @ turn
    return x.add_(classes[:, None] * apart).add_(0.5), classes


def residual(x: Any, classes: Any, erased: Any) -> dict[str, Any]:
    """The cross-covariance with the classes that an eraser leaves, computed in float64.

    Arguments:
        x: the activations.
        classes: of each row.
        erased: from rows in float64 to rows without the concept.
    """
    import torch

    z = classes.double() - classes.double().mean()
    found = torch.zeros(WIDTH, dtype=torch.float64)
    for rows, own in zip(x.split(STREAM), z.split(STREAM), strict=True):
        found += erased(rows.double()).T @ own
    return {"cross-covariance": found / len(x)}
