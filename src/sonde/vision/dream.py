"""Deep Dream: which patterns does a layer read into a picture? Ascent from the picture itself, coarse patterns first.

    for every octave, the smallest first:  x = picture at that size + what was added so far, enlarged
        x <- clip( x + step g / mean |g| ),   g = d objective(roll(x)) / dx          rolled anew at every step, so that no seams arise

(Mordvintsev, Olah and Tyka 2015, "Inceptionism"; constants from its notebook.) Without the division steps explode or vanish with the layer's scale.
A picture on which no gradient arises stays as it is, to the bit.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from sonde.access import Model
from sonde.jobs import track
from sonde.results import InputError, Recipe, shown
from sonde.results.codec import pack
from sonde.vision.answers import asked, needed, valued
from sonde.vision.layers import fitting, refuse_others, view_of
from sonde.vision.normalisation import Normalisation, normalisation
from sonde.vision.objectives import Layer, Objective
from sonde.vision.results import Dream
from sonde.vision.transforms import sampled

STEP = 1.5 / 255
NOTHING = 1e-8  # beside the mean size of the gradient


def dream(
    model: Model, picture: Float[Tensor, "..."], objective: Objective | str, *, normalise: Normalisation | str | None = None,
    octaves: int = 4, ratio: float = 1.4, steps: int = 10, step: float = STEP, roll: int = 32, seed: int = 0, progress: bool = False,
) -> Dream:  # fmt: skip
    """Exaggerate in a picture what a layer, a unit or any objective sees there.

    Arguments:
        model: a network of pictures.
        picture: (channel row col), from 0 to 1, red first; a grey one is repeated for each channel that the network takes.
        objective: of one picture; a layer's name stands for `Layer(name)`.
        normalise: from pictures of 0 to 1 to what the network takes; by default as the model's own image processor says, and nothing else is guessed.
        octaves: sizes of the picture.
        ratio: of neighbouring sizes.
        steps: at each size.
        step: the mean change of a pixel at each step.
        roll: by how many pixels at most the picture is rolled.
        seed: of the rolls.
        progress: show a bar.

    Raises:
        InputError: a picture that is none, or is not from 0 to 1; octaves too small for the network; a normalisation that nobody stated.

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> found = dream(sonde.load("specimen:digits"), held_out()[0][0], "blocks.0.conv", normalise="none", octaves=1, steps=2)
    >>> found.reached[1] > found.reached[0]
    True
    """
    goal = Layer(objective) if isinstance(objective, str) else objective
    if not isinstance(goal, Objective) or goal.pictures != 1:
        raise InputError(f"{shown(objective)} is no objective of one picture: give a layer, or one such as sonde.vision.Channel('fire2', 3)")
    refuse_others(model)
    base = _picture(picture)
    grey, channels = base.shape[1] == 1, fitting(model)[1]
    if grey and channels > 1:
        base = base.repeat(1, channels, 1, 1)
    for name, value, least in (("octaves", octaves, 1), ("steps", steps, 0), ("roll", roll, 0)):
        if not isinstance(value, int) or value < least:
            raise InputError(f"{name}={shown(value)}: give a number of {least} or more")
    if not ratio > 1 or not step >= 0:
        raise InputError(f"ratio={shown(ratio)}, step={shown(step)}: sizes grow by a ratio above 1, and a step is 0 or more")
    means, view = normalisation(model, normalise), view_of(model)
    rows, cols = base.shape[2:]
    sizes = [(max(1, round(rows / ratio**i)), max(1, round(cols / ratio**i))) for i in reversed(range(octaves))]
    generator = torch.Generator().manual_seed(seed)
    sites, outputs = needed(model, [goal])
    added, kept, traces, moved = torch.zeros_like(base), [], [], False
    bar = iter(track(range(octaves * steps), "dreaming", shown=progress))
    for octave, size in enumerate(sizes):
        there = base if size == (rows, cols) else _resized(base, size)
        x = (there + _resized(added, size)).clamp(0, 1) if octave else there
        trace = []
        for i in range(steps):
            next(bar)
            shift = torch.randint(-roll, roll + 1, (2,), generator=generator).tolist() if roll else [0, 0]
            leaf = x.roll(shift, (2, 3)).requires_grad_()
            height = valued(model, [goal], [1], leaf, _seen(leaf, means, view), sites, outputs, stop=octave + i > 0)
            (slope,) = torch.autograd.grad(height.sum(), leaf)
            trace.append(float(height.detach()))
            slope = slope.roll([-shift[0], -shift[1]], (2, 3))
            if bool(slope.any()):
                moved = True
                x = (x + step * slope / (slope.abs().mean() + NOTHING)).clamp(0, 1)
        traces.append(trace)
        added = x - there
        kept.append(x[0].cpu())
    next(bar, None)
    after = x if moved else base
    reached, _ = asked(model, [goal, goal], torch.cat([base, after]), means, 2, view)
    notes = [f"the grey picture was repeated for each of {channels} channels"] if grey and channels > 1 else []
    if steps and not moved:
        notes.append(f"no gradient of {goal.name} reaches this picture, so it stays as it is")
    arguments = {"octaves": octaves, "ratio": ratio, "steps": steps, "step": step, "roll": roll}
    return Dream(
        name=goal.name, before=base[0].cpu(), after=after[0].cpu(), octaves=kept, trace=torch.tensor(traces), reached=(float(reached[0]),
        float(reached[1])), moved=moved, objective=goal, normalise=means, notes=tuple(notes),
        recipe=Recipe.of("sonde.vision.dream", {"objective": goal.name, "normalise": str(means), **arguments}, model_hash=model.hash,
                         inputs=[base, pack(goal).plain, *pack(goal).tensors.values()], seed=seed),
    )  # fmt: skip


def _picture(picture: Tensor) -> Float[Tensor, "1 channel row col"]:
    if not isinstance(picture, Tensor) or picture.ndim != 3 or not picture.is_floating_point():
        got = f"{picture.dtype} {tuple(picture.shape)}" if isinstance(picture, Tensor) else shown(picture)
        raise InputError(f"a picture is a tensor (channel row col) of numbers from 0 to 1; got {got}")
    if not bool(picture.isfinite().all()) or float(picture.min()) < 0 or float(picture.max()) > 1:
        raise InputError(
            f"pixels lie from 0 to 1, and these from {float(picture.min()):.3g} to {float(picture.max()):.3g}: scale them, before normalisation"
        )
    return picture.detach()[None]


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    if (picture.shape[2], picture.shape[3]) == size:
        return picture
    return interpolate(picture, size=size, mode="bilinear", align_corners=False, antialias=True)


def _seen(picture: Tensor, normalise: Normalisation, view: tuple[int, int] | None) -> Tensor:
    return normalise(sampled(picture, torch.eye(3)[None], (picture.shape[2], picture.shape[3]), view))
