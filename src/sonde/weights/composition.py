"""Which heads read what which earlier heads write: composition of their maps, beside what random matrices give.

For a sender with the map OV_1 and a later receiver with the maps QK_2 and OV_2 (Elhage et al. 2021)

    Q   |OV_1 QK_2| / (|OV_1| |QK_2|)        the sender changes what the receiver looks for
    K   |OV_1 QK_2^T| / (...)                ... what it is found by
    V   |OV_1 OV_2| / (...)                  ... what it moves

with Frobenius norms. By chance the two know nothing of each other's directions: one of them is turned at random. Of such a pair the squared score has

    mean  1 / d        deviation  sqrt(2 / ((d - 1)(d + 2)) (r_1 - 1/d) (r_2 - 1/d)),    r = sum sigma^4 / (sum sigma^2)^2

in d dimensions, whatever the singular values sigma of the two are; z is the score's distance from the mean in these deviations. So matrices of equal
spectrum are the control, and it needs no draws. Where receivers centre what they read, so are writings, and d is one less.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.jobs import track
from sonde.results import InputError, Recipe, SiteUnavailable
from sonde.weights.composition_results import Composition
from sonde.weights.corpora import Rows, rows_of
from sonde.weights.linear import LinearMap
from sonde.weights.maps import ov, qk
from sonde.weights.reading import by_query_head, output, projection, read_norm
from sonde.weights.scores import rotation

MOST_TOKENS = 2000


def composition(model: Model, texts: Rows | None = None, distance: int | None = None, progress: bool = False) -> Composition:
    """Score how much each head reads of what each earlier head writes.

    Arguments:
        model: of a known family, with two blocks or more.
        texts: weigh the directions that a sender reads by how much it reads of them in these texts (up to 2,000 tokens); else all count alike.
        distance: in a family that rotates queries and keys, how far the key stands behind the query; without it they are compared as if both stood
            at the same place. What senders write reaches values at any distance alike.
        progress: show it in a terminal.

    Raises:
        InputError: a model of one block; a distance that the context does not allow, or in a family that does not rotate. SiteUnavailable: heads that
            have no maps of their own.

    >>> import sonde
    >>> composition(sonde.load("specimen:words-small")).kinds
    ['Q', 'K', 'V']
    """
    n = model.n_layers
    if n < 2:
        raise InputError(f"{model.name} has {n} block{'s' * (n != 1)}: heads compose with heads of later blocks, so it takes two")
    if distance and torch.allclose(turn := rotation(model, 1, distance), torch.eye(len(turn)), atol=1e-4):
        raise InputError(f"distance={distance}: {model.name} ({model.architecture.family}) does not rotate queries and keys; leave the distance out")
    rows = [] if texts is None else rows_of(model, texts)
    writing = [_written(model, layer, rows) for layer in range(n - 1)]
    kinds, left_out = ["Q", "K", "V"], {}
    try:
        qk(model, 1)
    except SiteUnavailable as reason:
        kinds, left_out = ["V"], dict.fromkeys(("Q", "K"), str(reason))
    values = torch.full((len(kinds), n, model.n_heads, n, model.n_heads), torch.nan)
    z, sent = values.clone(), {}  # what is known of a sender serves for all of its receivers
    for receiver in track(range(1, n), "composing heads", shown=progress):
        read = read_norm(model, receiver, "attn")
        centred = read is not None and read.centres
        maps = {"V": ov(model, receiver)}
        if "Q" in kinds:
            maps["Q"] = qk(model, receiver, distance)
            maps["K"] = maps["Q"].T
        spectra = {kind: _spectrum(found)[None, :] for kind, found in maps.items()}
        for sender in range(receiver):
            writes = _centred(writing[sender]) if centred else writing[sender]
            if (sender, centred) not in sent:
                sent[sender, centred] = _spectrum(writes)[:, None]
            for i, kind in enumerate(kinds):
                score, z_score = scores(writes[:, None], maps[kind][None, :], model.d_model - centred, (sent[sender, centred], spectra[kind]))
                values[i, sender, :, receiver], z[i, sender, :, receiver] = score.float(), z_score.float()
    return Composition(
        kinds=kinds, values=values, z=z, expected=1 / math.sqrt(model.d_model), left_out=left_out, weighed=bool(rows), distance=distance,
        recipe=Recipe.of("sonde.weights.composition", {"distance": distance}, model_hash=model.hash, inputs=rows),
    )  # fmt: skip


def scores(
    first: LinearMap, second: LinearMap, width: int, spectra: Sequence[Tensor] | None = None
) -> tuple[Float[Tensor, "*pair"], Float[Tensor, "*pair"]]:
    """The composition score of two maps, and its distance from chance in deviations of chance.

    Arguments:
        first: of the sender.
        second: of the receiver.
        width: dimensions of the space between them.
        spectra: the squares of their singular values, where they are known.

    >>> same = LinearMap((torch.eye(8)[:, :2], torch.eye(8)[:2]))
    >>> [round(float(value), 3) for value in scores(same, same, 8)]  # the two share both of their directions
    [0.707, 5.916]
    """
    squares = [_spectrum(one) for one in (first, second)] if spectra is None else spectra
    sizes = [square.sum(-1) for square in squares]
    unequal = [
        (square.square().sum(-1) / size.square().clamp(min=1e-30) - 1 / width).clamp(min=0) for square, size in zip(squares, sizes, strict=True)
    ]
    share = (first @ second).norm().square() / (sizes[0] * sizes[1]).clamp(min=1e-30)
    deviation = (2 / ((width - 1) * (width + 2)) * unequal[0] * unequal[1]).sqrt()
    return share.sqrt(), (share - 1 / width) / deviation.clamp(min=1e-12)


def _spectrum(found: LinearMap) -> Float[Tensor, "*leading rank"]:
    """The squares of the singular values."""
    return found.singular_values().square()


def _written(model: Model, layer: int, rows: Sequence[Sequence[int]]) -> LinearMap:
    """What the heads of a block write: for every direction alike, or for what they read in a text."""
    if not rows:
        return ov(model, layer)
    site = f"blocks.{layer}.attn"
    run = model.run([list(row) for row in rows], read=f"{site}.in", logits=False)
    assert run.mask is not None
    read = run[f"{site}.in"][run.mask][:MOST_TOKENS].float().cpu()
    values, out = by_query_head(model, projection(model, f"{site}.v")), output(model, f"{site}.z")
    return LinearMap(((read - read.mean(0)).expand(model.n_heads, -1, -1), values.weight, out.weight))


def _centred(found: LinearMap) -> LinearMap:
    """The map less what a receiver that centres its input does not see of it."""
    *others, last = found.factors
    return LinearMap((*others, last - last.mean(-1, keepdim=True)), found.notes)
