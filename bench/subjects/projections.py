"""One forward, and each layer's states through the final norm and the unembedding: what no logit lens can do without."""

from typing import Any

from bench.subjects import lenses
from bench.subjects.plain_lenses import reader
from bench.subjects.trial import Trial


def logit_lens(device: str) -> Trial:
    """The logits of every layer, each let go before the next; the best tokens are looked for outside of the timing."""
    read = reader(device)

    def run() -> Any:
        for _ in read():
            pass

    return Trial(run, lambda _: {"logits": lenses.best(read())})
