"""Is the answer really readable from a layer on? Tested over sibling prompts, against the same states turned at random.

A layer reads a prompt rightly if it puts the target above the foil, and further above than it does under the prompt's counterfactual: a model
that always prefers one of two words has read nothing. The control is a rotation, which keeps every length and angle among states and destroys
only their relation to the unembedding. By chance, turned states are read rightly in less than half of the prompts.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, random_rotation, untestable
from sonde.lens.reading import layer_names, layer_site, read_out
from sonde.results import Verdict
from sonde.tasks import Task

CLAIM = "The answer can be read from the residual stream by the unembedding."
MEASURE = (
    "share of prompts in which the layer, read through the unembedding, puts the target above the foil, and further than under the counterfactual"
)
THRESHOLD, SOURCE = 0.75, "three prompts of four, as for the behaviour itself; reading by chance gives less than one half"


Rotations = Sequence[Float[Tensor, "d d"] | None]


def read_rightly(model: Model, task: Task, rotations: Rotations = (None,), layers: Sequence[str] = ()) -> Float[Tensor, "rotation layer example"]:
    """1 where a layer (each, or those given) reads a prompt rightly at its last token, else 0; once for each rotation of the states."""
    clean, corrupt = (margins(model, task, rows, rotations, layers) for rows in (task.clean, task.corrupt))
    return ((clean > 0) & (clean > corrupt)).float()


def margins(
    model: Model, task: Task, rows: Sequence[Sequence[int]], rotations: Rotations = (None,), layers: Sequence[str] = ()
) -> Float[Tensor, "rotation layer example"]:
    """Target minus foil, in logits, in each layer's reading at the last token of the task's prompts or of their counterfactuals."""
    sites = [layer_site(model, layer).at(pos=-1) for layer in layers or layer_names(model)]
    run = model.run(rows, read=sites, logits=False)
    states = torch.stack([run[site] for site in sites])
    answers = torch.stack([task.targets, task.foils], -1).to(states.device)
    picked = torch.stack([read_out(model, states, rotation).gather(-1, answers.expand(len(sites), -1, -1)) for rotation in rotations])
    return (picked[..., 0] - picked[..., 1]).cpu()


def readable_from(model: Model, search: Task, evaluate: Task, seed: int = 0, rotations: int = 20) -> tuple[str | None, Verdict]:
    """The first layer from which on the answer is readable, found on one half of the prompts and tested on the other.

    Arguments:
        model: a language model.
        search: the prompts on which the layer is chosen: the first from which on every layer reads three prompts of four rightly.
        evaluate: other prompts, on which the claim is tested.
        seed: of the rotations.
        rotations: how many random rotations make the control.

    Returns:
        The layer's name (`None` where there is no such layer before the end), and the verdict.
    """
    layers = layer_names(model)
    right = read_rightly(model, search)[0].mean(-1) >= THRESHOLD if len(search) else torch.zeros(len(layers), dtype=torch.bool)
    start = next((i for i in range(len(layers)) if bool(right[i:].all())), None)
    if start is None:
        reason = "no layer reads three search prompts of four rightly"
        return None, untestable(CLAIM, MEASURE, reason, threshold=THRESHOLD, threshold_source=SOURCE)
    turned = [random_rotation(model.d_model, seed + i) for i in range(rotations)]
    right_there = read_rightly(model, evaluate, [None, *turned], layers[start : start + 1])[:, 0]
    where = {0: "the embedding", len(layers) - 1: "the last block"}.get(start, f"block {layers[start]}")
    claim = f"The answer can be read from the residual stream from {where} on."
    # a rotation is as good a guess as the model's own orientation if nothing is written for the unembedding: one more of them must be exceeded
    return layers[start], compare(claim, MEASURE, right_there[0], right_there[1:], threshold=THRESHOLD, threshold_source=SOURCE, exceeding="draw")
