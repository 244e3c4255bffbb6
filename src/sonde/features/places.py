"""Where a basis is attached: what it encodes, and its coordinates token by token, sparse.

Every function of this package that takes a `site` means a site of attached coordinates, such as `blocks.2.resid_post.sae` after
`model.attach("blocks.2.resid_post", dictionary, "sae")`: any basis may be attached, so neurons, principal components and random directions are asked
the same questions as a dictionary.
"""

import torch
from jaxtyping import Bool
from torch import Tensor

from sonde.access import Model, SiteSpec
from sonde.access.inputs import Given
from sonde.bases import Basis, Codes, codes
from sonde.results import InputError, shown

AXES = ("batch", "pos", "feature")


def basis_at(model: Model, site: str) -> Basis:
    """The basis whose coordinates a site holds.

    Arguments:
        model: on which it is attached.
        site: of the coordinates.

    Raises:
        InputError: a site of another kind.
    """
    if site not in model.bases:
        known = ", ".join(map(repr, model.bases)) or "none here"
        raise InputError(f"{shown(site)} is no site of features ({known}): model.attach(site, basis, name) makes one, called site.name")
    if model.locate(site).axes not in ((), AXES):
        raise InputError(f"{site!r} has the axes {' '.join(model.locate(site).axes)}: features are asked about token by token (batch pos feature)")
    return model.bases[site]


def feature_of(model: Model, site: str, feature: int) -> int:
    """A feature's number, if there is such a one.

    Arguments:
        model, site: where.
        feature: its number.

    Raises:
        InputError: no such feature.
    """
    size = basis_at(model, site).size
    if isinstance(feature, bool) or not isinstance(feature, int) or not 0 <= feature < size:
        raise InputError(f"feature={shown(feature)}: {site!r} has {size}, counted from 0")
    return feature


def written_site(model: Model, site: str) -> SiteSpec:
    """The site that the features are written into.

    Arguments:
        model, site: where.
    """
    basis_at(model, site)
    base = model.locate(site).base
    assert base is not None
    return base


def sites_read(model: Model, site: str) -> list[str]:
    """The sites whose values are encoded, side by side.

    Arguments:
        model, site: where.
    """
    base = written_site(model, site)
    reads = getattr(model.locate(site).view, "reads", (base,))
    return [spec.name for spec in reads]


def beside(model: Model, site: str, basis: Basis, name: str) -> Model:
    """Another basis attached in the same place, reading the same.

    Arguments:
        model, site: where.
        basis: of as many entries.
        name: what its coordinates are called.
    """
    base, reads = written_site(model, site).name, sites_read(model, site)
    return model.attach(base, basis, name, reads=None if reads == [base] else reads)


def codes_at(model: Model, site: str, inputs: Given) -> tuple[Codes, Bool[Tensor, " row"]]:
    """The sparse coordinates of every token of some inputs; no table of all coordinates is made where the basis knows a way without.

    Arguments:
        model, site: where.
        inputs: as for `model.run`.

    Returns:
        One row for each column of the padded batch, and which of them are real tokens other than special ones.

    Raises:
        InputError: inputs that are no rows of tokens.
    """
    basis, reads = basis_at(model, site), sites_read(model, site)
    run = model.run(inputs, read=reads, logits=False)
    if run.inputs.ids is None or run.mask is None:
        raise InputError(f"features are counted token by token, and {model.name} was given no rows of tokens")
    x = torch.cat([run[read] for read in reads], -1)
    return codes(basis, x.flatten(0, 1)), (run.mask & ~special_tokens(model, run.ids)).flatten()


def special_tokens(model: Model, ids: Tensor) -> Bool[Tensor, "batch pos"]:
    """Where special tokens stand: the activations there are unlike all others."""
    known = sorted(model.tokenizer.special) if model.tokenizer is not None else []
    return torch.isin(ids, torch.tensor(known, dtype=ids.dtype, device=ids.device))
