"""Opening models: every way in gives the same model, and every mistake one clear line with the way out."""

import json

import pytest
import tiny_encoders
import torch
from safetensors.torch import load_file, save_file
from tiny_models import FAMILIES, NATIVE, bare, logits_of
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, ViTConfig

import sonde
from sonde.results import LoadError, SondeError

IDS = torch.tensor([[3, 1, 0, 4]])

SHIPPED = ", ".join(f"specimen:{name}" for name in sonde.specimens.names())


@pytest.fixture(params=["native", "gpt2"])
def folder(request, tmp_path):
    """A good folder of ours and one of transformers, for a test to spoil."""
    module = bare(request.param)
    module.save(tmp_path) if request.param in NATIVE else module.save_pretrained(tmp_path)
    return tmp_path


def backend():
    words = Backend(models.WordLevel({"<s>": 0, "<unk>": 1, "the": 2, "keys": 3}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return words


def refused(source, *parts, **kwargs):
    """The message of the refusal, which must stand alone in one line."""
    with pytest.raises(LoadError) as error:
        sonde.load(source, **kwargs)
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
    return message


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_and_a_module_give_the_same_model(family, tmp_path):
    module = bare(family)
    module.save(tmp_path) if family in NATIVE else module.save_pretrained(tmp_path)
    loaded, wrapped = sonde.load(tmp_path), sonde.load(module)
    assert wrapped.module is module
    assert loaded.hash == wrapped.hash == sonde.load(str(tmp_path)).hash
    assert torch.equal(loaded.run(IDS).logits, logits_of(module, IDS))
    assert loaded.name == tmp_path.name
    assert not loaded.module.training
    assert loaded.tokenizer is None


def test_specimens():
    model = sonde.load("specimen:words")
    assert model.name == "specimen:words"
    assert model.tokenizer.bos_id == model.tokenizer.eos_id is not None
    refused("specimen:nothing", "unknown specimen 'nothing': there is words")


def test_the_tokenizer_beside_the_weights(folder):
    PreTrainedTokenizerFast(tokenizer_object=backend(), bos_token="<s>", eos_token="<s>", unk_token="<unk>").save_pretrained(folder)
    model = sonde.load(folder)
    assert model.tokenizer.encode("the keys") == [2, 3]
    assert model.run("the keys").tokens == [["the", "keys"]]
    other = backend()
    assert sonde.load(folder, tokenizer=other).tokenizer.backend is other


def test_no_tokenizer_is_made_up(tmp_path):
    """transformers gives a folder without one a tokenizer that knows special tokens only and turns every text into nothing."""
    bare("gpt2").save_pretrained(tmp_path)
    with pytest.raises(SondeError, match="this model was loaded without a tokenizer"):
        sonde.load(tmp_path).run("the keys")


def test_a_damaged_tokenizer(folder):
    (folder / "tokenizer.json").write_text("{")
    refused(folder, f"the tokenizer in {folder} can't be read: ")


def test_dtype(folder):
    assert sonde.load(folder, dtype=torch.bfloat16).run(IDS).logits.dtype == torch.bfloat16
    assert sonde.load(folder).dtype == "float32"
    refused(folder, "dtype='float16' is no type for weights: give torch.float32", dtype="float16")
    refused(folder, "dtype=torch.int8 is no type for weights", dtype=torch.int8)
    refused(torch.nn.Linear(2, 2), "a module is used as it is: move or convert it yourself", dtype=torch.float16)


def test_device(folder):
    assert sonde.load(folder, device="cpu").device.type == "cpu"
    refused(folder, "the model can't be put on device 'moon': ", device="moon")


# mistakes


def test_no_folder(tmp_path):
    refused(
        tmp_path / "no" / "model", "there is no folder", "give a folder with config.json and model.safetensors, a Hub id, or one of specimen:words"
    )
    refused("./nothing", "there is no folder ./nothing")
    refused("", "'' is no model: give the name of one, a folder, or a torch module")
    refused(None, "None is no model")
    refused("x" * 5000, "can't be opened: File name too long")


def test_a_file(tmp_path):
    (tmp_path / "model.safetensors").write_text("")
    refused(tmp_path / "model.safetensors", "is a file: give the folder that holds config.json and the weights")


def test_a_folder_that_is_no_model(tmp_path):
    refused(tmp_path, "holds no config.json, so it is no model folder; a model saved by transformers or sonde.nn has one beside its weights")


@pytest.mark.parametrize("text", ["{", "\x00", "\xff"])
def test_an_unreadable_configuration(folder, text):
    (folder / "config.json").write_text(text, encoding="latin-1")
    refused(folder, "config.json can't be read: ")


@pytest.mark.parametrize("content", [{}, [], {"n_layer": 2}])
def test_a_configuration_of_nothing(folder, content):
    (folder / "config.json").write_text(json.dumps(content))
    refused(folder, "config.json names no model_type, so it is unclear what these weights are; save the model with save_pretrained or sonde.nn")


def test_a_family_that_transformers_does_not_know(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "mammoth"}))
    refused(folder, "can't be read as a model: ", "mammoth")


def test_weights_of_another_model(tmp_path):
    ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8).save_pretrained(tmp_path)
    save_file({"w": torch.zeros(1)}, tmp_path / "model.safetensors")
    refused(tmp_path, "lack 24 tensors, first 'embeddings.cls_token': these files do not hold this whole model")


def test_pickled_weights_are_never_opened(folder):
    """Unpickling runs whatever code the file holds."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    message = refused(folder)
    assert "only pickled weights (pytorch_model.bin), which can run code when they are read and which sonde never opens" in message or (
        "cannot read the weights" in message  # sonde.nn never wrote any
    )


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    message = refused(folder)
    assert (
        "no weights; sonde reads safetensors: save the model with save_pretrained into a new folder" in message
        or "cannot read the weights" in message
    )


@pytest.mark.parametrize("kept", [0, 4, 100, -8])
def test_truncated_weights(folder, kept):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    refused(folder, str(folder))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_weights(folder, value):
    file = folder / "model.safetensors"
    weights = load_file(file)
    name = next(name for name, weight in weights.items() if "1" in name and weight.ndim == 2)
    weights[name][0, 0] = value
    save_file(weights, file, metadata={"format": "pt"})
    refused(folder, "hold NaN or infinity, first in ", name, "the file is damaged or its training diverged")


def test_missing_weights_are_not_drawn_at_random(folder):
    """transformers fills them with random numbers and logs a warning: the model runs, and explains nothing."""
    file = folder / "model.safetensors"
    weights = load_file(file)
    name = next(name for name in weights if "mlp" in name and "1" in name)
    del weights[name]
    save_file(weights, file, metadata={"format": "pt"})
    refused(folder, name)


def test_weights_of_another_shape(folder):
    file = folder / "model.safetensors"
    weights = load_file(file)
    name = next(name for name, weight in weights.items() if weight.ndim == 2 and "1" in name)
    weights[name] = weights[name][:3].clone()
    save_file(weights, file, metadata={"format": "pt"})
    refused(folder, name, "shape (3, ")


def test_weights_that_are_left_out_are_told(tmp_path):
    bare("gpt2").save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    save_file(load_file(file) | {"transformer.h.7.extra": torch.zeros(2)}, file, metadata={"format": "pt"})
    with pytest.warns(UserWarning, match=r"holds 1 tensors that its architecture does not use, first 'transformer.h.7.extra': they were left out"):
        sonde.load(tmp_path)


@pytest.mark.parametrize("name", ["bert", "vit", "clip"])
def test_encoders_are_refused_where_they_are_not_whole(name, tmp_path):
    tiny_encoders.build(name).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    key = next(key for key in weights if "layer" in key and key.endswith("weight"))
    save_file({k: v for k, v in weights.items() if k != key}, tmp_path / "model.safetensors", {"format": "pt"})
    refused(tmp_path, "lack 1 tensors, first ", "these files do not hold this whole model")
    save_file({**weights, key: weights[key] * torch.nan}, tmp_path / "model.safetensors", {"format": "pt"})
    refused(tmp_path, "hold NaN or infinity")
    save_file({**weights, key: weights[key][:-1].clone()}, tmp_path / "model.safetensors", {"format": "pt"})
    refused(tmp_path, "they are of two models")
    (tmp_path / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "pytorch_model.bin")
    refused(tmp_path, "only pickled weights (pytorch_model.bin)")


def test_a_body_is_not_given_a_head(tmp_path):
    """transformers would put a random head on a BERT that was saved without one."""
    config = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=20)
    body = BertModel(config)
    body.save_pretrained(tmp_path)
    assert torch.equal(sonde.load(tmp_path).run(IDS).logits, body.eval()(IDS).last_hidden_state)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, "architectures": ["BertForMaskedLM"]}))
    refused(tmp_path, "lack", "tensors, first", "these files do not hold this whole model")


def test_code_beside_a_model_is_never_run(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mine", "auto_map": {"AutoConfig": "mine.C", "AutoModelForCausalLM": "mine.M"}}))
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    save_file({"w": torch.zeros(1)}, tmp_path / "model.safetensors")
    refused(tmp_path, "can't be read as a model: ")
    assert not (tmp_path / "ran").exists()


class Offline:
    """The Hub, out of reach."""

    def model_info(self, *args, **kwargs):
        raise ConnectionError


def test_a_hub_id_without_a_network(monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi", Offline)
    refused(
        "no-such-owner/no-such-model",
        f"'no-such-owner/no-such-model' is no specimen ({SHIPPED}), no folder here, and can't be fetched from the Hub: ",
    )


def test_a_hub_id_that_the_hub_does_not_know(monkeypatch):
    from unittest.mock import Mock

    from huggingface_hub.errors import RepositoryNotFoundError

    error = RepositoryNotFoundError("Repository Not Found for url: somewhere.\nPlease make sure", response=Mock())
    monkeypatch.setattr("huggingface_hub.HfApi", Mock(return_value=Mock(model_info=Mock(side_effect=error))))
    refused("gpt-2", f"'gpt-2' is no specimen ({SHIPPED}), no folder here, and the Hub says: Repository Not Found for url: somewhere.")


def test_a_name_that_no_model_can_have(monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi", Offline)
    refused("two words", f"'two words' is no specimen ({SHIPPED}), no folder here, and can't be fetched from the Hub: ")
    refused("a\0b", "is no specimen")


def test_transformers_own_settings_are_put_back(tmp_path):
    from transformers.utils import logging

    bare("gpt2").save_pretrained(tmp_path)
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    sonde.load(tmp_path)
    refused(tmp_path / "nothing")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_nothing_is_printed(tmp_path, capfd):
    bare("llama").save_pretrained(tmp_path)
    capfd.readouterr()
    sonde.load(tmp_path)
    assert capfd.readouterr() == ("", "")


NET = """
import torch
from torch import nn

import beside


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(beside.CHANNELS, 2, 3)

    def forward(self, x):
        return self.conv(x).mean((2, 3))


def net():
    torch.manual_seed(0)
    return Net()


def wide(channels):
    return Net()


ready = net()
number = 3


def words():
    return "words"


def broken():
    raise RuntimeError("no\\nweights")
"""


@pytest.fixture
def own_file(tmp_path):
    """A file that makes networks, with one beside it that it imports."""
    (tmp_path / "beside.py").write_text("CHANNELS = 3\n")
    (tmp_path / "nets.py").write_text(NET)
    return tmp_path / "nets.py"


def test_a_function_in_a_file_of_ones_own_makes_the_model(own_file):
    model = sonde.load(f"{own_file}:net")
    assert model.name == "net" and not model.module.training
    assert model.run(torch.zeros(1, 3, 5, 5)).logits.shape == (1, 2)
    assert model.hash == sonde.load(f"{own_file}:ready").hash
    assert sonde.load(f"{own_file}:net", dtype=torch.bfloat16).dtype == "bfloat16"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nat", "nets.py defines no nat: it has net, wide, words, broken"),
        ("wide", "can't be called without arguments: TypeError: wide() missing 1 required positional argument: 'channels'"),
        ("number", "number in"),
        ("words", "returns 'words': it must return a torch module"),
        ("broken", "can't be called without arguments: RuntimeError: no weights"),
    ],
)
def test_a_file_that_makes_no_model(own_file, name, said):
    refused(f"{own_file}:{name}", said)


def test_files_that_are_missing_broken_or_named_alone(own_file):
    refused(f"{own_file.parent}/none.py:net", "there is no file")
    refused(own_file, "is a file: give", "nets.py:NAME, the function in it that makes the model")
    own_file.write_text("import nothing_of_this_name")
    refused(f"{own_file}:net", "can't be run: ModuleNotFoundError")
