"""Do the heads that are named induction heads carry what the model repeats? Tested by taking them out.

In random text that is said twice a model can know the second copy from the first one only. What it gains there, in nats per token, must be lost when
the heads' outputs are replaced by their mean over the text; the control is random sets of as many heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Mean, Model, Run
from sonde.evidence import compare, random_sets, t_interval, untestable
from sonde.results import Verdict
from sonde.weights.repeats import Repeats, draw_repeats

MEASURE = "share lost of what the model gains from having seen the text before, nats per token; control: random sets of as many heads"
THRESHOLD, SOURCE = 0.5, "half of the gain: a convention"
ROWS = 16


@dataclass(frozen=True)
class _Loss:
    """The mean loss over one copy of each row, its first token left out."""

    drawn: Repeats
    copy: int

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        told = run.logits[:, :-1].log_softmax(-1).gather(-1, run.ids[:, 1:, None])[..., 0]
        column, losses = torch.arange(told.shape[1], device=told.device), []
        for row, n in zip(told, self.drawn.periods, strict=True):
            begin = self.drawn.start + self.copy * n
            losses.append(-row[(column >= begin) & (column < begin + n - 1)].mean())
        return torch.stack(losses)


def repeats_by(model: Model, heads: Sequence[str], seed: int = 1, sets: int = 10) -> Verdict:
    """Test whether some heads carry what a model repeats.

    Arguments:
        model: a language model of a known family.
        heads: "1.2", "1.3", ...
        seed: of new random rows, and of the random sets.
        sets: how many random sets make the control.

    Raises:
        InputError: a context or vocabulary too small for random text that is said twice.
    """
    claim = f"Head{'s' if len(heads) > 1 else ''} {', '.join(heads)} carr{'y' if len(heads) > 1 else 'ies'} what the model repeats."
    if not heads:
        return _untestable("Some heads carry what the model repeats.", "no head looks like an induction head")
    drawn = draw_repeats(model, ROWS, seed)
    names = [f"{layer}.{head}" for layer in range(model.n_layers) for head in range(model.n_heads)]
    run = model.run(drawn.rows, read=[f"blocks.{i}.attn.z" for i in range(model.n_layers)])
    gain = (_Loss(drawn, 0)(run) - _Loss(drawn, 1)(run)).cpu()
    if t_interval(gain)[0] <= 0:
        return _untestable(claim, f"the model does not surely predict the second copy better than the first ({gain.mean():+.2f} nats per token)")
    mask = run.mask
    assert mask is not None
    means = {f"{i}.{head}": mean for i in range(model.n_layers) for head, mean in enumerate(run[f"blocks.{i}.attn.z"][mask].mean(0))}
    drawn_sets = [one for one in random_sets(names, len(heads), sets, seed) if set(one) != set(heads)]
    if len(drawn_sets) < 2:
        return _untestable(claim, f"of {len(names)} heads hardly another set of {len(heads)} can be drawn")
    edits = [[Mean(_site(head), means[head]) for head in chosen] for chosen in (heads, *drawn_sets)]
    sweep = model.sweep(drawn.rows, edits, _Loss(drawn, 1))
    lost = ((sweep.values - sweep.base) / gain.mean().to(sweep.values)).cpu()
    return compare(claim, MEASURE, lost[0], lost[1:], threshold=THRESHOLD, threshold_source=SOURCE)


def _site(head: str) -> str:
    layer, number = head.split(".")
    return f"blocks.{layer}.attn.z[head={number}]"


def _untestable(claim: str, reason: str) -> Verdict:
    return untestable(claim, MEASURE, reason, threshold=THRESHOLD, threshold_source=SOURCE)
