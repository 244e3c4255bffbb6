"""Readers for the real small models of the shared data: from their own files to modules of torch, by the descriptions in their READMEs."""

import json

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from sonde.nn.transformer import Transformer, TransformerConfig


def sorter(folder):
    """gpt_nano_sort: minGPT's layout is GPT-2's, with linear weights the other way round and no bias in c_attn."""
    stored = load_file(folder / "model.safetensors")
    config = GPT2Config(n_layer=3, n_head=3, n_embd=48, vocab_size=3, n_positions=11, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0)
    module = GPT2LMHeadModel(config)
    turned = {name: value.T if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")) else value for name, value in stored.items()}
    lacking = {f"transformer.h.{i}.attn.c_attn.bias": torch.zeros(144) for i in range(3)}
    module.load_state_dict({**lacking, **turned})
    return module.eval()


def induction(folder):
    """induction_2l: attention only, no norms, no biases."""
    stored = load_file(folder / "induction_head_infinite.safetensors")
    config = TransformerConfig(n_layers=2, n_heads=4, d_model=48, d_vocab=128, n_ctx=85, d_mlp=0, norm=None, bias=False, tied=False)
    module = Transformer(config)
    weights = {"embed.weight": stored["embed.W_E"].T, "pos_embed.weight": stored["pos_embed.W_pos"], "unembed.weight": stored["unembed.W_U"].T}
    for i in range(2):
        for ours, theirs in (("q", "W_Q"), ("k", "W_K"), ("v", "W_V")):
            weights[f"blocks.{i}.attn.{ours}.weight"] = stored[f"attn_blocks.{i}.attn.{theirs}"].reshape(48, 48)
        weights[f"blocks.{i}.attn.o.weight"] = stored[f"attn_blocks.{i}.attn.W_O"]
    module.load_state_dict(weights)
    return module.eval()


class CharLSTM(nn.Module):
    """Two layers of LSTM between an embedding of characters and their scores."""

    def __init__(self, d_vocab):
        super().__init__()
        self.embed, self.unembed = nn.Embedding(d_vocab, 128), nn.Linear(128, d_vocab)
        self.lstm0, self.lstm1 = nn.LSTM(128, 128, batch_first=True), nn.LSTM(128, 128, batch_first=True)

    def forward(self, ids):
        return self.unembed(self.lstm1(self.lstm0(self.embed(ids))[0])[0])


def char_lstm(folder, name):
    """char_lstm: TensorFlow's gates i, j, f, o are torch's i, f, g, o in another order; its forget bias of 1 is not stored."""
    stored = load_file(folder / f"{name}.safetensors")
    module = CharLSTM(len(stored["embedding"]))
    weights = {"embed.weight": stored["embedding"], "unembed.weight": stored["softmax.weight"].T, "unembed.bias": stored["softmax.bias"]}
    for i in range(2):
        kernel, bias = (_gates(stored[f"lstm{i}.{part}"]) for part in ("kernel", "bias"))
        bias[128:256] += 1
        weights |= {f"lstm{i}.weight_ih_l0": kernel[:128].T, f"lstm{i}.weight_hh_l0": kernel[128:].T, f"lstm{i}.bias_ih_l0": bias}
        weights[f"lstm{i}.bias_hh_l0"] = torch.zeros_like(bias)
    module.load_state_dict(weights)
    vocabulary = json.loads((folder / f"{name}_vocab.json").read_text(encoding="utf-8"))
    return module.eval(), vocabulary


def _gates(packed):
    i, j, f, o = packed.chunk(4, dim=-1)
    return torch.cat([i, f, j, o], dim=-1)


class Fire(nn.Module):
    """SqueezeNet's module: few channels first, then two convolutions side by side."""

    def __init__(self, cin, squeeze, expand):
        super().__init__()
        self.conv1x1_1, self.relu = nn.Conv2d(cin, squeeze, 1), nn.ReLU(inplace=True)
        self.conv1x1_2, self.conv3x3_2 = nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = self.relu(self.conv1x1_1(x))
        return torch.cat([self.conv1x1_2(x), self.conv3x3_2(x)], 1).relu_()


def squeezenet(folder):
    """squeezenet_v1.0_dc, layer by layer."""
    stored = load_file(folder / "squeezenet.safetensors")
    layers = nn.Sequential()
    for layer in json.loads((folder / "layers.json").read_text()):
        if layer["op"] == "conv+relu":
            padding = layer.get("pad", 0)
            layers.add_module(layer["name"], nn.Conv2d(layer["cin"], layer["cout"], layer["kernel"], layer.get("stride", 1), padding))
            layers.add_module(f"{layer['name']}_relu", nn.ReLU(inplace=True))
        elif layer["op"] == "fire":
            layers.add_module(layer["name"], Fire(layer["cin"], layer["squeeze_channels"], layer["expand_channels"]))
        elif layer["op"] == "maxpool":
            layers.add_module(layer["name"], nn.MaxPool2d(layer["kernel"], layer["stride"], ceil_mode=layer["ceil"]))
    layers.add_module("average", nn.AdaptiveAvgPool2d(1))
    layers.add_module("scores", nn.Flatten())
    layers.load_state_dict({name.replace("/", "."): value for name, value in stored.items()})
    return layers.eval()


class Mobile(nn.Module):
    """MobileNetV2 as a list of operations, each of which reads what earlier ones wrote."""

    def __init__(self, layers, stored):
        super().__init__()
        self.layers = [layer for layer in layers if layer["op"] in ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "AVERAGE_POOL_2D")]
        self.relu6 = nn.ModuleDict()
        for layer in self.layers:
            if "CONV" in layer["op"]:
                name = layer["name"]
                quantised = stored[f"{name}.weight_q"].float() - stored[f"{name}.zero_point"].float()
                weight = quantised * stored[f"{name}.scale"]
                conv = nn.Conv2d(weight.shape[1] * layer["groups"], weight.shape[0], weight.shape[2], layer["stride"], groups=layer["groups"])
                conv.weight, conv.bias = nn.Parameter(weight), nn.Parameter(stored[f"{name}.bias"])
                self.add_module(name, conv)
                if layer["activation"] == "relu6":
                    self.relu6[name] = nn.ReLU6(inplace=True)

    def forward(self, pixel_values):
        values = {0: pixel_values}
        for layer in self.layers:
            read = [values[i] for i in layer["inputs"]]
            if layer["op"] == "ADD":
                out = read[0] + read[1]
            elif layer["op"] == "AVERAGE_POOL_2D":
                out = read[0].mean((2, 3), keepdim=True)
            else:
                out = self.get_submodule(layer["name"])(_same(read[0], self.get_submodule(layer["name"])))
                out = self.relu6[layer["name"]](out) if layer["name"] in self.relu6 else out
            values[layer["output"]] = out
        return out.flatten(1)[:, 1:]  # the first of 1,001 scores is that of the background


def _same(x, conv):
    """TensorFlow's SAME padding: the odd pixel on the right and at the bottom."""
    (k, _), (s, _), n = conv.kernel_size, conv.stride, x.shape[-1]
    total = max((-(-n // s) - 1) * s + k - n, 0)
    return nn.functional.pad(x, (total // 2, total - total // 2, total // 2, total - total // 2))


def mobilenet(folder):
    """mobilenet_v2_q, with float arithmetic on the weights that were quantised."""
    layers = json.loads((folder / "layers.json").read_text())["layers"]
    return Mobile(layers, load_file(folder / "mobilenet_v2_q.safetensors")).eval()
