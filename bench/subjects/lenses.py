"""What lenses are timed on, and what all subjects do alike: the model, the tokens, and how the answers are compared."""

from collections.abc import Callable, Iterable
from typing import Any

from bench.subjects import workload as w

POSITIONS, K = 128, 10  # 1 x 128 tokens; tokens that are kept of each reading
ROWS, STEPS = 2, 2  # of 128 tokens each, for one step of training
DECAY, MOMENTUM, RATE, CLIP = 1e-3, 0.9, 0.1, 1.0  # the peer's defaults for SGD, in which 1 - momentum is taken off the rate of 1


def rows(device: str) -> Any:
    """All rows of the training, (row, position)."""
    return w.tokens(ROWS * STEPS, POSITIONS, device)


def batches(device: str) -> list[Any]:
    """The rows of each step, in the order in which sonde takes them: a permutation of the epoch, from its end."""
    import torch

    order = torch.randperm(ROWS * STEPS, generator=torch.Generator().manual_seed(0)).tolist()[::-1]
    given = rows(device)
    return [given[order[step * ROWS : (step + 1) * ROWS]] for step in range(STEPS)]


def best(logits: Iterable[Any]) -> Any:
    """The largest logits of each layer, (layer, position, k)."""
    import torch

    return torch.stack([one.reshape(-1, one.shape[-1]).topk(K).values for one in logits])


def trained(model: Any, device: str, read: Callable[[Any, int], Any], parameters: Any) -> Any:
    """The steps of the peer's training loop, in float32 throughout: its own autocasts the lens to bfloat16.

    Arguments:
        model: a transformers model.
        device: where.
        read: from a layer's states and its number to logits.
        parameters: of the lens.
    """
    import torch

    parameters = list(parameters)
    optimiser = torch.optim.SGD(parameters, RATE, momentum=MOMENTUM, nesterov=True, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: (STEPS - step) / STEPS)
    losses = []
    for batch in batches(device):
        with torch.no_grad():
            output = model(batch, output_hidden_states=True, use_cache=False)
        labels, losses = output.logits.float().log_softmax(-1), []
        for i, h in enumerate(output.hidden_states[:-1]):
            loss = torch.sum(labels.exp() * (labels - read(h, i).log_softmax(-1)), dim=-1).mean()
            loss.backward()
            losses.append(loss.detach())
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimiser.step()
        optimiser.zero_grad(set_to_none=False)
        schedule.step()
    return torch.stack(losses)
