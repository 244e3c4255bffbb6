"""Is the answer really readable from a layer on? Tested over sibling prompts, against the same states turned at random.

A rotation keeps every length and angle among states and destroys only their relation to the unembedding. Reading turned states tells target
from foil half of the time; a layer from which the answer is readable beats that.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, random_rotation, untestable
from sonde.lens.logit import layer_names, layer_site, read_out
from sonde.results import Verdict
from sonde.tasks import Task

CLAIM = "The answer can be read from the residual stream by the unembedding."
MEASURE = "share of prompts in which the layer, read through the unembedding, puts the target above the foil"
THRESHOLD, SOURCE = 0.75, "three prompts of four, as for the behaviour itself; reading by chance gives one half"


def margins(model: Model, task: Task, rotations: Sequence[Float[Tensor, "d d"] | None] = (None,)) -> Float[Tensor, "rotation layer example"]:
    """Target minus foil, in logits, in each layer's reading at the last token of each prompt; once for each rotation of the states."""
    sites = [layer_site(model, layer).at(pos=-1) for layer in layer_names(model)]
    run = model.run(task.clean, read=sites, logits=False)
    states = torch.stack([run[site] for site in sites])
    answers = torch.stack([task.targets, task.foils], -1).to(states.device)
    picked = torch.stack([read_out(model, states, rotation).gather(-1, answers.expand(len(sites), -1, -1)) for rotation in rotations])
    return (picked[..., 0] - picked[..., 1]).cpu()


def readable_from(model: Model, search: Task, evaluate: Task, seed: int = 0, rotations: int = 8) -> tuple[str | None, Verdict]:
    """The first layer from which on the answer is readable, found on one half of the prompts and tested on the other.

    Arguments:
        model: a language model.
        search: the prompts on which the layer is chosen: the first from which on every layer puts target above foil in three prompts of four.
        evaluate: other prompts, on which the claim is tested.
        seed: of the rotations.
        rotations: how many random rotations make the control.

    Returns:
        The layer's name (`None` where there is no such layer before the end), and the verdict.
    """
    layers = layer_names(model)
    right = (margins(model, search)[0] > 0).float().mean(-1) >= THRESHOLD if len(search) else torch.zeros(len(layers), dtype=torch.bool)
    start = next((i for i in range(len(layers)) if bool(right[i:].all())), None)
    if start is None:
        reason = "no layer puts the target above the foil in three search prompts of four"
        return None, untestable(CLAIM, MEASURE, reason, threshold=THRESHOLD, threshold_source=SOURCE)
    turned = [random_rotation(model.d_model, seed + i) for i in range(rotations)]
    above = (margins(model, evaluate, [None, *turned])[:, start] > 0).float()
    found, control = above[0], above[1:].mean(0)
    where = {0: "the embedding", len(layers) - 1: "the last block"}.get(start, f"block {layers[start]}")
    claim = f"The answer can be read from the residual stream from {where} on."
    return layers[start], compare(claim, MEASURE, found, control, threshold=THRESHOLD, threshold_source=SOURCE, seed=seed)
