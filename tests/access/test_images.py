"""Images go in as tensors or as pictures, and networks of images that have no vocabulary are served by path."""

import pytest
import tiny_encoders
import torch
import transformers as hf
from tiny_models import logits_of, spread

import sonde
from sonde.results import InputError, SondeError

Image = pytest.importorskip("PIL.Image", reason="pictures and their processors need Pillow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A ViT with its image processor beside it."""
    folder = tmp_path_factory.mktemp("vit")
    tiny_encoders.build("vit").save_pretrained(folder)
    hf.ViTImageProcessor(size={"height": 8, "width": 8}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return sonde.load(folder)


@pytest.fixture
def picture():
    pixels = torch.randint(256, (12, 20, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Image.fromarray(pixels.numpy())


def test_pictures_go_through_the_models_own_processor(model, picture):
    values = model.processor(images=[picture], return_tensors="pt")["pixel_values"]
    expected = logits_of(model.module, values)
    for given in (picture, [picture], {"images": [picture]}, values, {"pixel_values": values}):
        assert torch.equal(model.run(given).logits, expected)
    assert model.run([picture, picture]).logits.shape == (2, 2)
    assert any("pictures prepared by the model's" in note for note in model.run(picture).notes)
    assert not model.run(values).notes


def test_a_given_processor_takes_the_place_of_the_one_beside_the_weights(folder, model, picture):
    other = hf.ViTImageProcessor(size={"height": 8, "width": 8}, image_mean=[0.0] * 3, image_std=[1.0] * 3)
    given = sonde.load(folder, processor=other)
    assert given.processor is other
    assert not torch.equal(given.run(picture).logits, model.run(picture).logits)
    assert sonde.load(tiny_encoders.build("vit"), processor=other).processor is other


def test_a_processor_of_texts_and_images_holds_both(folder, picture):
    class Both:
        image_processor, tokenizer = hf.ViTImageProcessor(size={"height": 8, "width": 8}), None

    assert sonde.load(folder, processor=Both()).run(picture).logits.shape == (1, 2)


def test_a_damaged_processor_is_refused(tmp_path):
    tiny_encoders.build("vit").save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(SondeError, match=r"the image processor in .* can't be read: "):
        sonde.load(tmp_path)


IMAGES = torch.zeros(2, 3, 8, 8)


@pytest.mark.parametrize(
    "given, message",
    [
        (IMAGES[0], r"images must be batch channel row col, here \(batch 3 8 8\); got 3 8 8; one image is a batch of one: image\[None\]"),
        (IMAGES[:, :1], r"images must be batch channel row col, here \(batch 3 8 8\); got 2 1 8 8"),
        (IMAGES[:0], "got 0 3 8 8"),
        (IMAGES.byte(), "pixel values are floating-point numbers, scaled as the model wants them; got torch.uint8"),
        (IMAGES.repeat(1, 1, 2, 2), "this model takes images of 8 x 8, got 16 x 16: resize them"),
        ("cat.png", "'cat.png' is no image"),
        ([], r"\[\] is no image"),
        ({"input_ids": IMAGES}, "None is no image: give a tensor"),
    ],
)
def test_mistakes_are_one_line(model, given, message):
    with pytest.raises(InputError, match=message) as refusal:
        model.run(given)
    assert "\n" not in str(refusal.value)


def test_without_a_processor_only_tensors_are_taken(picture):
    with pytest.raises(InputError, match="this model has no image processor"):
        sonde.Model(tiny_encoders.build("vit")).run(picture)


def test_other_sizes_where_the_family_takes_them():
    """DINOv2 interpolates its position embeddings: twelve patches instead of four."""
    model = sonde.Model(tiny_encoders.build("dinov2"))
    run = model.run(torch.randn(1, 3, 12, 16), read=["embed", "blocks.1.resid_post"])
    assert run["embed"].shape == (1, 12, 16) and run["blocks.1.resid_post"].shape == (1, 13, 16)


def test_two_towers_want_both(picture):
    model = sonde.Model(tiny_encoders.build("clip"))
    for given in (IMAGES, {"images": IMAGES}, {"text": [[5, 3]]}, [[5, 3]]):
        with pytest.raises(InputError, match="this model compares images with texts: give both by name"):
            model.run(given)


def test_texts_of_siglip_are_filled_up():
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1, "a": 5, "cat": 6, "sat": 7}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = hf.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", unk_token="<unk>")
    model = sonde.Model(tiny_encoders.build("siglip"), tokenizer)
    run = model.run({"images": IMAGES, "text": ["a cat", "a cat sat"]}, read="text.blocks.0.resid_pre")
    assert run["text.blocks.0.resid_pre"].shape == (2, 12, 16)
    assert any("texts filled up to 12 tokens: this family reads padding as tokens" in note for note in run.notes)
    ids = torch.tensor([[5, 6, *[0] * 10], [5, 6, 7, *[0] * 9]])
    assert torch.equal(run.logits, model.module(input_ids=ids, pixel_values=IMAGES).logits_per_image)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """A ResNet of transformers, saved and opened: it has no vocabulary."""
    config = hf.ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 2], layer_type="basic", num_labels=3)
    folder = tmp_path_factory.mktemp("resnet")
    spread(hf.ResNetForImageClassification(config)).save_pretrained(folder)
    return sonde.load(folder)


def test_a_resnet_by_path(resnet):
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    stages = ["resnet.encoder.stages.0:out", "resnet.encoder.stages.1:out"]
    inside = "resnet.encoder.stages.1.layers.1.layer.0.convolution:out"
    run = resnet.run(images, read=[*stages, inside, "classifier:out"])
    assert torch.equal(run.logits, logits_of(resnet.module, images))
    assert torch.equal(run["classifier:out"], run.logits)
    assert [tuple(run[stage].shape[1:2]) for stage in stages] == [(4,), (8,)]
    assert run.axes(inside) == ("batch", "channel", "row", "col")
    assert torch.equal(resnet.run({"pixel_values": images}).logits, run.logits)

    def metric(run):
        return run.logits[:, 1]

    edits = [sonde.Zero(f"{inside[:-4]}:out[channel={channel}]") for channel in range(4)]
    sweep = resnet.sweep(images, edits, metric)
    for edit, values in zip(edits, sweep.values, strict=True):
        assert torch.allclose(metric(resnet.run(images, edits=[edit])), values, atol=1e-5)
    pixels = images.clone().requires_grad_()
    expected = torch.autograd.grad(resnet.module(pixels).logits[:, 1].sum(), pixels)[0]
    assert torch.allclose(resnet.grad(images, metric, at=":in")[":in"], expected, atol=1e-6)
