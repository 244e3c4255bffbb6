"""A tiny configuration of every encoder of transformers that sonde knows: of texts, of images, and of both; and what each of them takes."""

import torch
import transformers as hf
from tiny_models import CONTEXT, D_MODEL, HEADS, LAYERS, VOCAB, spread

_SIZES = {"hidden_size": D_MODEL, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": 24}
_WORDS = {"vocab_size": VOCAB, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_BERT = hf.BertConfig(max_position_embeddings=CONTEXT, **_WORDS, **_SIZES)
_ROBERTA = hf.RobertaConfig(max_position_embeddings=CONTEXT + 1, **_WORDS, **_SIZES)
_DISTILBERT = hf.DistilBertConfig(max_position_embeddings=CONTEXT, dim=D_MODEL, n_layers=LAYERS, n_heads=HEADS, hidden_dim=24, **_WORDS)
_T5 = {"d_model": D_MODEL, "d_kv": 6, "d_ff": 24, "num_layers": LAYERS, "num_heads": HEADS, "decoder_start_token_id": 0} | _WORDS
_IMAGE = {"image_size": 8, "patch_size": 4}
_DINO = {"hidden_size": D_MODEL, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "mlp_ratio": 2, "layerscale_value": 0.7} | _IMAGE
_TEXT = {"max_position_embeddings": CONTEXT, **_WORDS, "eos_token_id": 3, **_SIZES}  # CLIP takes 2 for a mistake of early configurations
_SIGLIP = {"text_config": _TEXT | {"projection_size": D_MODEL}, "vision_config": _IMAGE | _SIZES}
_CLIP = {"text_config": _TEXT, "vision_config": _IMAGE | _SIZES, "projection_dim": 8}
_REGISTERS = hf.Dinov2WithRegistersConfig(num_register_tokens=2, **_DINO)

ENCODERS = {
    "bert": (hf.BertForMaskedLM, _BERT),
    "bert-body": (hf.BertModel, _BERT),
    "bert-classes": (hf.BertForSequenceClassification, _BERT),
    "bert-tokens": (hf.BertForTokenClassification, _BERT),
    "roberta": (hf.RobertaForMaskedLM, _ROBERTA),
    "roberta-classes": (hf.RobertaForSequenceClassification, _ROBERTA),
    "distilbert": (hf.DistilBertForMaskedLM, _DISTILBERT),
    "distilbert-classes": (hf.DistilBertForSequenceClassification, _DISTILBERT),
    "t5": (hf.T5EncoderModel, hf.T5Config(**_T5)),
    "t5-gated": (hf.T5EncoderModel, hf.T5Config(feed_forward_proj="gated-gelu", **_T5)),
    "vit": (hf.ViTForImageClassification, hf.ViTConfig(**_IMAGE, **_SIZES)),
    "deit": (hf.DeiTForImageClassificationWithTeacher, hf.DeiTConfig(**_IMAGE, **_SIZES)),
    "dinov2": (hf.Dinov2ForImageClassification, hf.Dinov2Config(**_DINO)),
    "dinov2-gated": (hf.Dinov2Model, hf.Dinov2Config(use_swiglu_ffn=True, **_DINO)),
    "dinov2-registers": (hf.Dinov2WithRegistersModel, _REGISTERS),
    "siglip": (hf.SiglipModel, hf.SiglipConfig(**_SIGLIP)),
    "siglip-vision": (hf.SiglipVisionModel, hf.SiglipVisionConfig(**_IMAGE, **_SIZES)),
    "clip": (hf.CLIPModel, hf.CLIPConfig(**_CLIP)),
    "clip-text": (hf.CLIPTextModel, hf.CLIPTextConfig(**_TEXT)),
    "clip-vision": (hf.CLIPVisionModel, hf.CLIPVisionConfig(**_IMAGE, **_SIZES)),
}
SPECIALS = {"vit": 1, "deit": 2, "dinov2": 1, "dinov2-gated": 1, "dinov2-registers": 3, "siglip-vision": 0, "clip-vision": 1}


def build(name, seed=0):
    """A module as its own library builds it."""
    kind, config = ENCODERS[name]
    return spread(kind(config), seed)


def inputs(model, seed=1):
    """Two rows of what a model takes; three texts for the two images of a model of both, so that neither is taken for the other."""
    generator, arch = torch.Generator().manual_seed(seed), model.architecture
    images = torch.randn(2, 3, 8, 8, generator=generator)
    ids = torch.randint(4, VOCAB, (3 if arch.towers else 2, 7), generator=generator)
    ids[:, -1] = 3  # where CLIP reads a text
    if arch.images is None:
        return ids
    return {"pixel_values": images, "input_ids": ids} if arch.d_vocab else images


def first_output(module, given):
    """What the module returns first (its logits, if it has any), called by itself."""
    with torch.no_grad():
        output = module(**given) if isinstance(given, dict) else module(given)
    return next(value for value in output.to_tuple() if isinstance(value, torch.Tensor))
