"""How are the maps of many pictures read, batch after batch, for little? The forward ends after the layer, and pictures lie as convolutions like it.

On a processor convolutions and poolings take about half the time where the channels of one place lie side by side in memory; the numbers are the
same up to the order in which sums are taken. Whether a network takes pictures in that order, and answers them alike, one picture shows beforehand.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.access import Model
from sonde.access.forward import forward
from sonde.access.run import Run
from sonde.access.sites import Site
from sonde.results import InputError
from sonde.vision.layers import as_maps

ALIKE = 1e-4  # of the largest number; another order of summation costs about 1e-6


class Reader:
    """Reads one layer of many batches of pictures.

    Arguments:
        model: the network.
        site: the layer.
    """

    def __init__(self, model: Model, site: str):
        self.model, self.site = model, site
        self._layout: torch.memory_format | None = None

    def __call__(self, views: Float[Tensor, "picture channel row col"]) -> Float[Tensor, "picture unit *place"]:
        """The maps; the first batch is run to its end, which shows that the layer is called once.

        Arguments:
            views: pictures as the network takes them.
        """
        seen_once = self._layout is not None
        if self._layout is None:
            self._layout = layout_of(self.model, views[:1], [self.site])
        laid = views.contiguous(memory_format=self._layout)
        run = forward(self.model, self.model.prepare(laid), [Site.parse(self.site)], [], logits=False, stop=seen_once)
        return read_maps(self.model, self.site, run, views)


def maps_of(model: Model, site: str, views: Float[Tensor, "picture channel row col"]) -> Float[Tensor, "picture unit *place"]:
    """A layer's maps of some pictures.

    Arguments:
        model: the network.
        site: the layer.
        views: the pictures as the network takes them.
    """
    return read_maps(model, site, model.run(views, read=[site], logits=False), views)


def read_maps(model: Model, site: str, run: Run, views: Float[Tensor, "picture channel row col"]) -> Float[Tensor, "picture unit *place"]:
    """What a run has read of a layer, as maps without a graph.

    Arguments:
        model: the network.
        site: the layer.
        run: which read it.
        views: the pictures that were shown.
    """
    size = (views.shape[2], views.shape[3])
    return as_maps(model, site, run[site], ("batch", *run.axes(site)[1:]), size).detach().float().cpu()


def layout_of(model: Model, view: Float[Tensor, "picture channel row col"], sites: list[str]) -> torch.memory_format:
    """How pictures should lie in memory for a network: the channels of a place side by side, where it has convolutions, runs on a processor, and
    answers alike; else as they are.

    Arguments:
        model: the network.
        view: a picture as it takes it.
        sites: what is read of it; the output if nothing is.
    """
    view = view.detach()
    if view.device.type != "cpu" or not any(isinstance(module, nn.Conv2d) for module in model.module.modules()):
        return torch.contiguous_format

    def answers(layout: torch.memory_format) -> list[Tensor]:
        run = model.run(view.contiguous(memory_format=layout), read=sites, logits=not sites)
        return [run[site] for site in sites] or [run.logits]

    try:
        other = answers(torch.channels_last)
    except (RuntimeError, InputError):  # such as of `view`, which can't look at numbers that lie otherwise
        return torch.contiguous_format
    same = all(
        float((one - two).abs().max()) <= ALIKE * float(one.abs().max()) for one, two in zip(answers(torch.contiguous_format), other, strict=True)
    )
    return torch.channels_last if same else torch.contiguous_format
