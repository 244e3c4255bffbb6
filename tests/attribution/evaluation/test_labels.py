"""Maps of networks that learnt true labels, and of one that learnt shuffled ones by heart."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from sonde.attribution import gradient, gradient_x_input
from sonde.attribution.evaluation import label_randomisation, train_pixels
from sonde.results import InputError
from sonde.results import Result as AnyResult


def rows(n, seed):
    """Twelve columns, of which the first two tell the class."""
    x = torch.randn(n, 12, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, 0] - x[:, 1] > 0).long()


quick = partial(train_pixels, steps=80)


def test_gradients_follow_the_labels_and_the_input_itself_does_not(tmp_path):
    x, y = rows(64, 0)
    found = label_randomisation(x, y, gradient, explained=rows(24, 1)[0], train=quick)
    assert found.learnt >= 0.95 and found.check()[0].holds and found.check()[2].holds is None
    assert float(found.ceiling[0].mean()) > float(found.similarity[0].mean()) + 0.2
    back = AnyResult.load(found.save(tmp_path / "labels"))
    assert torch.equal(back.similarity.nan_to_num(), found.similarity.nan_to_num()) and "by heart" in found.drawing().note

    def sizes(model, inputs, of=None):
        return replace(gradient_x_input(model, inputs, of=of), values=inputs, method="the input")

    assert label_randomisation(x, y, sizes, explained=rows(24, 1)[0], train=quick).check()[0].holds is False


def test_labels_that_were_not_learnt_are_refused():
    x, y = rows(400, 0)
    with pytest.raises(InputError, match="of the shuffled labels"):
        label_randomisation(x, y, gradient, explained=x[:4], train=partial(train_pixels, steps=5))
