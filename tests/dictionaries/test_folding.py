"""Folding changes no output, on any architecture: the error that SAELens made with thresholds and biases again and again."""

import pytest
import torch
from foreign_dictionaries import D, F, draws
from hypothesis import given
from hypothesis import strategies as st

from sonde.dictionaries import Dictionary, Gate, Normaliser
from sonde.results import InputError


@st.composite
def dictionaries(draw, lengths=True):
    """A dictionary of any architecture, with or without each of what can be folded."""
    take = draws(draw(st.integers(0, 999)))
    out = draw(st.sampled_from([D, 4]))
    activation = draw(st.sampled_from(["relu", "topk", "abstopk", "groupmax", "jumprelu", "gated"]))
    decoder = take(F, out)
    if not lengths and activation in ("topk", "abstopk", "groupmax"):
        decoder = 1.7 * decoder / decoder.norm(dim=1, keepdim=True)
    return Dictionary(
        take(F, D), take(F), decoder, take(out), activation,
        k=4 if activation in ("topk", "abstopk", "groupmax") else None,
        threshold=take(F).abs() if activation == "jumprelu" else None,
        gate=Gate(take(F), take(F) / 3) if activation == "gated" else None,
        skip=take(out, D) if draw(st.booleans()) else None,
        centred=out == D and draw(st.booleans()),
        normaliser=Normaliser(3 * take(D), take(D).abs() + 0.3) if draw(st.booleans()) else None,
        target=Normaliser(take(out), (take(out).abs() + 0.3) if lengths else torch.full((out,), 0.6)) if draw(st.booleans()) else None,
    )  # fmt: skip


X = 2 * draws(5)(64, D) + 1


@given(dictionaries())
def test_folding_normalisers_and_centring_changes_nothing(sae):
    folded = sae.folded()
    assert folded.normaliser is folded.target is None and not folded.centred
    assert torch.allclose(folded.encode(X), sae.encode(X), atol=2e-4)
    assert torch.allclose(folded.reconstruct(X), sae.reconstruct(X), atol=2e-3)


@given(dictionaries(lengths=False))
def test_unit_directions_change_no_output(sae):
    unit = sae.with_unit_directions()
    assert torch.allclose(unit.directions.norm(dim=1), torch.ones(F), atol=1e-5)
    assert torch.allclose(unit.reconstruct(X), sae.reconstruct(X), atol=2e-3)
    assert torch.allclose((unit.encode(X) != 0).float(), (sae.encode(X) != 0).float())  # the same latents, at other values


def test_unit_directions_that_would_select_others_are_refused():
    take = draws(0)
    with pytest.raises(InputError, match="scaling them would select others"):
        Dictionary(take(F, D), take(F), take(F, D), take(D), "topk", k=4).with_unit_directions()
