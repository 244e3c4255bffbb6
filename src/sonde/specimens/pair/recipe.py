"""Trains the two encoders, of pictures and of captions, so that a picture is more like its own caption than like any other in the batch.

The contrastive loss of CLIP (Radford et al. 2021): with s_ij the scaled cosine of picture i and caption j,
L = 1/2n sum_i (-log softmax_j s_ij - log softmax_j s_ji) at j = i. A batch holds each scene together with its two twins, the things in changed
places and in changed colours: without them the words would do, whatever their order.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from tokenizers import Tokenizer, processors
from torch import Tensor, nn

from sonde.nn import permuted
from sonde.nn.training import Training, TrainingConfig
from sonde.specimens import cards, runs
from sonde.specimens.measures import Measure, share
from sonde.specimens.pair.scenes import COLORS, RADIUS, RELATIONS, SHAPES, SIZE, Scene, Scenes, Thing, draw, render, scenes
from sonde.specimens.wordlevel import word_tokenizer

PAD, BOS, UNKNOWN, EOS = SPECIAL = ("<pad>", "<bos>", "<unk>", "<eos>")
"""The special tokens, with the ids from 0 on; a caption is read at its `<eos>`."""

_WORDS = ("a", *RADIUS, *COLORS, *SHAPES, *sorted({word for relation in RELATIONS for word in relation.split()}))

NEW, UNSEEN = "new pictures", "colors never seen on a shape"
"""The kinds of pictures that are measured on: of things as training shows them, and of those that it never does."""

LIMITS = (
    "It knows pictures of 24 x 24 pixels with one or two of three shapes in four colours, and captions of these words in this order.",
    "The pictures are tensors (batch 3 24 24) from 0 to 1; there is no image processor.",
    "One training run: the intervals are over pictures, not over runs.",
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    seed: int = 0
    """Of the first weights and of the scenes."""
    steps: int = 3000
    """Updates."""
    groups: int = 20
    """Scenes in an update, each with its twins."""

    def training(self) -> TrainingConfig:
        """How it is trained."""
        return TrainingConfig(steps=self.steps, lr=2e-3, weight_decay=0.05, warmup_steps=100, cooldown=0.4)


def tokenizer() -> Tokenizer:
    """Reads the words of the captions, `<bos>` before and `<eos>` after them."""
    backend = word_tokenizer([*SPECIAL, *_WORDS], special=SPECIAL, unknown=UNKNOWN)
    ends = [(token, backend.token_to_id(token)) for token in (BOS, EOS)]
    backend.post_processor = processors.TemplateProcessing(single=f"{BOS} $A {EOS}", special_tokens=ends)
    return backend


def encode(captions: Sequence[str]) -> dict[str, Int[Tensor, "caption pos"]]:
    """Token ids and mask of captions, padded on the right.

    Arguments:
        captions: in the words of the world.
    """
    rows = [encoding.ids for encoding in tokenizer().encode_batch(list(captions))]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for row, tokens in zip(ids, rows, strict=True):
        row[: len(tokens)] = torch.tensor(tokens)
    return {"input_ids": ids, "attention_mask": (ids != 0).long()}


def network() -> nn.Module:
    """The model before training: two layers of four heads on either side, width 48."""
    from transformers import CLIPConfig, CLIPModel

    sizes = {"hidden_size": 48, "intermediate_size": 192, "num_hidden_layers": 2, "num_attention_heads": 4, "projection_dim": 32}
    text = {"vocab_size": len(SPECIAL) + len(_WORDS), "max_position_embeddings": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 3}
    return CLIPModel(CLIPConfig(text_config=sizes | text, vision_config=sizes | {"image_size": SIZE, "patch_size": 4}, projection_dim=32))


def _batch(recipe: Recipe, step: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Pictures of scenes of which no two say the same, and their captions, said from either thing."""
    rng = random.Random(f"{recipe.seed}/{step}")
    drawn: dict[frozenset[Scene], Scene] = {}
    for _ in range(recipe.groups):
        scene = draw(rng)
        for twin in (scene, scene.moved, scene.recolored):
            if not twin.is_held_out:
                drawn.setdefault(frozenset({twin, twin.turned}), rng.choice((twin, twin.turned)))
    truth = list(drawn.values())
    return render(truth, rng.randrange(2**31)), encode([scene.caption for scene in truth])


def contrastive_loss(logits: Float[Tensor, "picture picture"]) -> Float[Tensor, ""]:
    """The loss of picking each picture's caption, and each caption's picture; the right ones lie on the diagonal."""
    right = torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits, right) + nn.functional.cross_entropy(logits.T, right)) / 2


@torch.no_grad()
def likeness(model: Any, pictures: Float[Tensor, "picture 3 24 24"], captions: Sequence[str]) -> Float[Tensor, "picture caption"]:
    """How much each picture is like each caption, as a scaled cosine.

    Arguments:
        model: both encoders.
        pictures: from 0 to 1.
        captions: in the words of the world.
    """
    return model(pixel_values=pictures, **encode(captions)).logits_per_image


def _matches(model: Any, drawn: Scenes, kind: str) -> list[Measure]:
    """Whether each picture finds its caption among all, and each caption its picture."""
    logits = likeness(model, drawn.pictures, drawn.captions)
    right = torch.arange(len(logits))
    unit = f"share right, among {len(logits)}; chance {1 / len(logits):.2f}"
    return [
        share(f"caption of a picture, {kind}", (logits.argmax(1) == right).tolist(), unit),
        share(f"picture of a caption, {kind}", (logits.argmax(0) == right).tolist(), unit),
    ]


def _prefers(model: Any, pictures: Tensor, captions: list[list[str]]) -> list[bool]:
    """Whether the first of each picture's captions is the likest."""
    choices = len(captions[0])
    logits = likeness(model, pictures, [caption for row in captions for caption in row])
    own = logits.unflatten(1, (-1, choices))[torch.arange(len(pictures)), torch.arange(len(pictures))]
    return (own.argmax(-1) == 0).tolist()


def _attributes(model: Any, things: Sequence[Thing], kind: str, seed: int) -> list[Measure]:
    """Each attribute of a thing alone, asked for by captions that differ in this word only; eight pictures of each thing."""
    shown = [thing for thing in things for _ in range(8)]
    pictures = render([Scene((thing,)) for thing in shown], seed)
    measures = []
    for name, values in (("color", tuple(COLORS)), ("shape", SHAPES), ("size", tuple(RADIUS))):
        captions = [[thing.words, *(replace(thing, **{name: value}).words for value in values if value != getattr(thing, name))] for thing in shown]
        unit = f"share right, among {len(values)}; chance {1 / len(values):.2f}"
        measures.append(share(f"{name} of a thing alone, {kind}", _prefers(model, pictures, captions), unit))
    return measures


def _twins(model: Any, drawn: Scenes) -> list[Measure]:
    """Whether a picture is told from its twins."""
    two = [i for i, scene in enumerate(drawn.truth) if scene.relation]
    unit = "share right, among 2; chance 0.50"
    moved = [[drawn.truth[i].caption, drawn.truth[i].moved.caption] for i in two]
    colored = [i for i in two if len({thing.color for thing in drawn.truth[i].things}) == 2]
    recolored = [[drawn.truth[i].caption, drawn.truth[i].recolored.caption] for i in colored]
    return [
        share("which of two things is where", _prefers(model, drawn.pictures[two], moved), unit),
        share("which of two things has which color", _prefers(model, drawn.pictures[colored], recolored), unit),
    ]


def measures(model: Any, n: int = 200, seed: int = 777) -> list[Measure]:
    """The lines of the card.

    Arguments:
        model: the specimen, as stored, or a control.
        n: pictures of each kind.
        seed: of the pictures.

    Returns:
        Matching both ways on new pictures, of colours and shapes that training shows together and of those that it never does; the attributes of
        things alone; and whether a picture is told from its twins.
    """
    seen, held = scenes(n, seed), scenes(n, seed, held=True)
    things = [Thing(size, color, shape) for size in RADIUS for color in COLORS for shape in SHAPES]
    never = [thing for thing in things if Scene((thing,)).is_held_out]
    return [
        *_matches(model, seen, NEW), *_matches(model, held, UNSEEN), *_attributes(model, things, NEW, seed),
        *_attributes(model, never, UNSEEN, seed), *_twins(model, held),
    ]  # fmt: skip


def train(out: Path, seed: int = 0, threads: int = 1, steps: int = Recipe.steps) -> None:
    """Train, or go on training, and write the specimen into `out / "pair"`.

    Arguments:
        out: folder for checkpoint and result.
        seed: of the first weights and the scenes.
        threads: processor threads.
        steps: updates.

    Raises:
        LoadError: the checkpoint was made with other settings.
    """
    from transformers import CLIPModel, PreTrainedTokenizerFast

    torch.set_num_threads(threads)
    recipe = Recipe(seed=seed, steps=steps)
    torch.manual_seed(seed)
    model: Any = network()
    training = Training(model, recipe.training())

    def look() -> dict[str, float]:
        return {m.name: m.value for m in measures(model, n=50, seed=1)}

    for step in runs.updates(training, out, "pair", look, every=250):
        pictures, captions = _batch(recipe, step)
        training.update(contrastive_loss(model(pixel_values=pictures, **captions).logits_per_image))

    folder = out / "pair"
    model.half().save_pretrained(folder)
    special = {"pad_token": PAD, "bos_token": BOS, "unk_token": UNKNOWN, "eos_token": EOS}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer(), model_input_names=["input_ids", "attention_mask"], **special).save_pretrained(folder)
    stored = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    cards.write(
        folder, "pair", sum(p.numel() for p in stored.parameters()), asdict(recipe), measures(stored), measures(permuted(stored, seed=0)),
        LIMITS, training.notes["log"],
    )  # fmt: skip
