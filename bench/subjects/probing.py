"""What probes are timed on: activations as models have them, and the training and judging that all subjects share.

As in a residual stream, spreads of the entries fall as a power law, some entries lie far from zero, and a token's vector is that of its word type and
of what stands around it; word types are Zipfian. The label is the type's class, for one token in twenty another one, which the context tells.
"""

import functools
from collections.abc import Callable
from typing import Any

from bench.subjects.trial import Trial

LAYERS, TIMED = 12, 3
TOKENS, JUDGED = 100_000, 20_000
WIDTH, CLASSES, TYPES = 768, 17, 20_000


@functools.cache
def layer(number: int) -> tuple[Any, Any]:
    """Activations of one layer and labels, the last `JUDGED` to be judged on; deeper layers are less alike in all directions."""
    import torch

    generator = torch.Generator().manual_seed(number)
    zipf = 1 / torch.arange(1, TYPES + 1).float()
    types = torch.multinomial(zipf, TOKENS + JUDGED, replacement=True, generator=generator)
    classes = torch.multinomial(1 / torch.arange(1, CLASSES + 1).float(), TYPES, replacement=True, generator=generator)
    other = torch.rand(TOKENS + JUDGED, generator=generator) < 0.05
    y = torch.where(other, torch.randint(CLASSES, types.shape, generator=generator), classes[types])
    means = 0.1 * torch.randn(CLASSES, WIDTH, generator=generator)
    x = torch.randn(TYPES, WIDTH, generator=generator)[types]
    x += torch.randn(x.shape, generator=generator)
    x += means[y]
    x *= torch.arange(1, WIDTH + 1).float() ** -(0.5 + number / LAYERS)
    x = x @ torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator))[0]
    x[:, :3] += 30
    return x, y


def every_layer(fit: Callable[[Any, Any], Any], accuracy: Callable[[Any, Any, Any], float], note: str = "") -> Trial:
    """Fit a probe on some of the layers; what it tells of the first one's examples held out is the score.

    Arguments:
        fit: from activations and labels to a probe.
        accuracy: of a probe on activations and labels.
        note: what a reader of the table must know.
    """
    given = [layer(LAYERS * i // TIMED) for i in range(TIMED)]
    scores = [accuracy(fit(x[:TOKENS], y[:TOKENS]), x[TOKENS:], y[TOKENS:]) for x, y in given]

    def run() -> None:
        for x, y in given:
            fit(x[:TOKENS], y[:TOKENS])

    told = f"{TIMED} layers timed, times {LAYERS // TIMED}; accuracy {', '.join(f'{score:.4f}' for score in scores)}"
    return Trial(run, times=LAYERS // TIMED, score=sum(scores) / TIMED, note=f"{told}; {note}" if note else told)
