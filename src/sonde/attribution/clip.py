"""Which parts of a picture speak for a text, in models that compare pictures with texts (CLIP, SigLIP); and which words of the text do.

    dense      cos(patch, text)  of each patch of the last block, by the way of its own values through the projection (Zhou et al. 2022, MaskCLIP)
    gradient   sum_d x_pd dS/dx_pd  at the patches that enter the last block
    relevance  attention weights that speak for the score, layer by layer (Chefer et al. 2021)

Every similarity of such a model has a large part in common with every other: without contrast each query lights up the same places. So a score is
that of the text less the mean of its distractors, and the result tells how much the maps of different texts are alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.removal import Question
from sonde.access.run import Run
from sonde.attribution.flow import attention_relevance
from sonde.attribution.maps import as_maps, spread_over, vision
from sonde.attribution.question import differentiate
from sonde.evidence.ranks import spearman
from sonde.results import Drawing, InputError, Recipe, Result, SiteUnavailable
from sonde.results.drawing import overlays

if TYPE_CHECKING:
    from polars import DataFrame

Kind = Literal["dense", "gradient", "relevance"]


@dataclass(frozen=True, eq=False, repr=False)
class ImageTextSaliency(Result):
    """Where a picture speaks for each of some texts.

    Arguments:
        method: how the maps were made.
        texts: the texts.
        picture: the picture.
        maps: a map for each text, over the pixels.
        scores: the model's score of each text with the picture.
        tokens: the tokens of each text.
        words: how much each token mattered for its text's score (unsigned); NaN where a text has no token.
        alike: Spearman's rank correlation of every two maps; near 1 means that they say nothing about the texts. Two texts that are each other's
            only distractors have opposite maps by arithmetic.
        common: the same of the maps without contrast.
        contrast: what each score was compared with.
        notes: what was decided on the way.
    """

    method: str
    texts: list[str]
    picture: Float[Tensor, "channel row col"]
    maps: Float[Tensor, "text row col"]
    scores: Float[Tensor, " text"]
    tokens: list[list[str]]
    words: Float[Tensor, "text pos"]
    alike: Float[Tensor, "text text"]
    common: Float[Tensor, "text text"]
    contrast: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))  # a list, where it was read from a file

    def to_frame(self) -> "DataFrame":
        """One row per text and pixel."""
        import polars as pl

        places = torch.ones_like(self.maps).nonzero()
        return pl.DataFrame(
            {
                "text": [self.texts[i] for i in places[:, 0].tolist()],
                "row": places[:, 1].tolist(),
                "col": places[:, 2].tolist(),
                "value": self.maps.flatten().tolist(),
            }
        )

    def drawing(self) -> Drawing:
        """The picture under the map of each text."""
        details = [[f"score {score:+.3g}; {self._said(i)}"] for i, score in enumerate(self.scores.tolist())]
        others = ~torch.eye(len(self.texts), dtype=torch.bool)
        shown, common = float(self.alike[others].mean()), float(self.common[others].mean())
        alike = f" Maps of different texts correlate by {shown:+.2f}, without contrast by {common:+.2f}." if len(self.texts) > 1 else ""
        return overlays(
            f"Where is it? ({self.method})", "score", self.picture, [[one] for one in self.maps], row_name="text", rows=self.texts, col_name="map",
            cols=[self.method], details=details, note=f"{self.contrast}.{alike}{''.join(f' {note}.' for note in self.notes)}",
        )  # fmt: skip

    def _said(self, text: int) -> str:
        values = self.words[text][: len(self.tokens[text])]
        best = values.topk(min(2, len(values))).indices.tolist()
        return "words that matter most: " + ", ".join(repr(self.tokens[text][i]) for i in best)


def image_text_saliency(
    model: Model, image: Float[Tensor, "..."], texts: Sequence[str], *, method: Kind = "dense", distractors: Sequence[str] | None = None
) -> ImageTextSaliency:  # fmt: skip
    """Find where a picture speaks for each of some texts.

    Arguments:
        model: a model of pictures and texts, such as CLIP.
        image: the picture, (channel row col) or a batch of one, as the model takes it.
        texts: the queries.
        method: "dense" compares every patch with the text; "gradient" and "relevance" ask what moves the score of the whole picture.
        distractors: texts whose mean score is subtracted; by default the other texts, and none in ().

    Raises:
        InputError: no model of pictures and texts, no text, or more than one picture. SiteUnavailable: "dense" where patches have no projection.

    >>> import sonde
    >>> from sonde.specimens.pair import scenes
    >>> drawn = scenes(1, seed=3)
    >>> found = image_text_saliency(sonde.load("specimen:pair"), drawn.pictures[0], ["a small red circle", "a large blue square"])
    >>> found.maps.shape, found.alike.shape
    (torch.Size([2, 24, 24]), torch.Size([2, 2]))
    """
    if method not in ("dense", "gradient", "relevance"):
        raise InputError(f"method={method!r}: use 'dense', 'gradient' or 'relevance'")
    if not model.architecture.towers or vision(model) is None:
        raise InputError(f"{model.name} does not compare pictures with texts: load a model such as CLIP, or specimen:pair")
    texts = [texts] if isinstance(texts, str) else list(texts)
    picture = image[None] if image.ndim == 3 else image
    if not texts or len(picture) != 1:
        raise InputError(f"{len(texts)} texts and {len(picture)} pictures: give one picture, and at least one text")
    others = list(distractors) if distractors is not None else []
    inputs = {"images": picture, "text": [*texts, *others]}
    weights = _contrast(len(texts), len(others), distractors is None)
    alone = torch.eye(len(texts), weights.shape[1])
    maps, plain = (_maps(model, inputs, each, method) for each in (weights, alone))
    run = model.run(inputs)
    tokens, words = _words(model, picture, texts)
    against = "the other texts" if distractors is None else ", ".join(map(repr, others))
    return ImageTextSaliency(
        method=method, texts=texts, picture=picture[0].detach().float().cpu(), maps=maps.detach().float().cpu(),
        scores=run.logits[0, : len(texts)].detach().float().cpu(), tokens=tokens, words=words, alike=_correlations(maps), common=_correlations(plain),
        contrast=f"Scores less the mean of {against}" if weights.min() < 0 else "Scores without contrast",
        notes=() if weights.min() < 0 else ("What lights up may do so for every text",),
        recipe=Recipe.of(
            "sonde.attribution.image_text_saliency", {"texts": texts, "method": method, "distractors": distractors}, model_hash=model.hash,
            inputs=[picture, texts],
        ),
    )  # fmt: skip


def _contrast(texts: int, others: int, among: bool) -> Float[Tensor, "text score"]:
    """How the scores of all texts are weighed for the map of each: 1 for its own, and minus the mean of its distractors."""
    weights = torch.cat([torch.eye(texts), torch.zeros(texts, others)], 1)
    if among and texts > 1:
        weights[:, :texts] -= (1 - torch.eye(texts)) / (texts - 1)
    elif others:
        weights[:, texts:] = -1 / others
    return weights


def _maps(model: Model, inputs: dict[str, Any], weights: Float[Tensor, "text score"], method: Kind) -> Float[Tensor, "text row col"]:
    """The map of each weighed sum of scores."""
    if method == "dense":
        return _dense(model, inputs, weights)
    return torch.stack([_moved(model, inputs, row, method) for row in weights])


def _correlations(maps: Float[Tensor, "text row col"]) -> Float[Tensor, "text text"]:
    flat = maps.detach().flatten(1).cpu()
    return torch.stack([torch.stack([spearman(one, other) for other in flat]) for one in flat]).float()


def _dense(model: Model, inputs: dict[str, Any], weights: Float[Tensor, "text score"]) -> Float[Tensor, "text row col"]:
    """Each patch's own value vector, sent through the last block's output projection and the model's own head, compared with the texts."""
    tower = vision(model)
    assert tower is not None
    last = f"{tower.prefix}blocks.{tower.n_layers - 1}"
    if not hasattr(model.module, "visual_projection"):
        raise SiteUnavailable(f"the patches of {model.name} have no projection to the texts' space: use method='gradient' or 'relevance'")
    sites = [f"{last}.attn.v", f"{last}.resid_pre"]
    run = model.run(inputs, read=[*sites, "text_projection:out"])
    with torch.no_grad():
        attention = model.module.get_submodule(model.locate(f"{last}.attn.out").point.module)
        moved = attention.out_proj(run[sites[0]].flatten(-2))  # type: ignore[operator, union-attr]
        patches = model.module.visual_projection(model.module.vision_model.post_layernorm(moved))  # type: ignore[operator, union-attr]
        words = run["text_projection:out"]
        cosine = torch.cosine_similarity(patches[0, :, None], words[None], dim=-1)  # pos text
        scale = model.module.logit_scale.exp()  # type: ignore[operator, union-attr]
    question = Question.of_run(model, inputs, _score(weights[0]), sites[1], run)
    contrasted = scale * cosine @ weights.T.to(cosine)
    maps = torch.cat([as_maps(question, contrasted[None, :, i, None])[:, 0] for i in range(contrasted.shape[1])])
    return spread_over(maps, inputs["images"].expand(len(maps), -1, -1, -1))


def _moved(model: Model, inputs: dict[str, Any], weights: Float[Tensor, " score"], method: Kind) -> Float[Tensor, "row col"]:
    """What moves one contrasted score of the whole picture."""
    score = _score(weights)
    if method == "relevance":
        return attention_relevance(model, inputs, of=score).values[0]
    tower = vision(model)
    assert tower is not None
    question, slope = differentiate(model, inputs, score, f"{tower.prefix}blocks.{tower.n_layers - 1}.resid_pre")
    maps = as_maps(question, (slope * question.value).sum(-1, keepdim=True))[:, 0]
    return spread_over(maps, inputs["images"])[0]


def _score(weights: Float[Tensor, " score"]) -> Metric:
    """The weighed sum of a picture's scores with all texts."""

    def contrasted(run: Run) -> Float[Tensor, " batch"]:
        return run.logits @ weights.to(run.logits)

    return contrasted


def _words(model: Model, picture: Tensor, texts: list[str]) -> tuple[list[list[str]], Float[Tensor, "text pos"]]:
    """The tokens of each text, and the attention weights that speak for its score, followed down to them."""
    text = next(tower for tower in model.architecture.towers if tower.images is None)
    sites = [f"{text.prefix}blocks.{i}.attn.pattern" for i in range(text.n_layers)]
    grads = model.grad({"images": picture, "text": texts}, of=lambda run: run.logits.sum(1), at=sites)
    relevance = torch.eye(grads[sites[0]].shape[-1])
    for site in sites:
        relevance = relevance + (grads.values[site] * grads[site]).relu().mean(1) @ relevance
    mask = grads.run.mask
    lengths = torch.full((len(texts),), relevance.shape[-1]) if mask is None or text.fills_rows else mask.sum(-1)
    rows = (relevance - torch.eye(relevance.shape[-1]))[torch.arange(len(texts)), lengths - 1]
    ids = grads.run.ids
    tokens = [model.tokenizer.strings(ids[i, :n].tolist()) if model.tokenizer else [""] * n for i, n in enumerate(lengths.tolist())]
    behind = torch.arange(rows.shape[1]) >= lengths[:, None]
    return [list(row) for row in tokens], rows.masked_fill(behind, float("nan")).float()
