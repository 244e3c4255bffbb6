"""What every subject is given: the model, the tokens, the cells of the sweeps and the metric.

The weights are random, in the shape of GPT-2 small, the same for every subject: the figures are about machinery, not about a model.
"""

from pathlib import Path
from typing import Any

LAYERS, HEADS, D_MODEL, D_HEAD, D_MLP, VOCAB = 12, 12, 768, 64, 3072, 50257
TARGET, FOIL = 100, 200  # the metric: difference of these logits at the last position
ABSENT = VOCAB - 1  # the token that stands for an absent one

STEPS = 50  # of integrated gradients
AT_ONCE = 50  # of them in one pass

SWEEP_POSITIONS = 32  # 1 x 32 tokens
GRAD_POSITIONS = 128  # 1 x 128
CACHE_ROWS, CACHE_POSITIONS = 8, 64

# one forward for each cell costs the same for all cells, so those who do that are timed on these and multiplied
RESIDUAL_CELLS = [(layer, (11 * layer + 5) % SWEEP_POSITIONS) for layer in range(LAYERS)]  # layer, position
HEAD_CELLS = [(layer, (5 * layer + 2) % HEADS) for layer in range(LAYERS)]  # layer, head
RESIDUAL_TIMES = LAYERS * SWEEP_POSITIONS // len(RESIDUAL_CELLS)
HEAD_TIMES = LAYERS * HEADS // len(HEAD_CELLS)

CACHED = ("resid_pre", "resid_mid", "resid_post", "attn.q", "attn.k", "attn.v", "attn.z", "attn.pattern", "mlp.pre", "mlp.post")  # in each block


def model(device: str, attention: str = "sdpa", grad: bool = False) -> Any:
    """A transformers model with random weights, in evaluation mode; without `grad` its weights ask for no gradient."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(attn_implementation=attention)).eval().requires_grad_(grad).to(device)


def tokens(rows: int, positions: int, device: str, seed: int = 1) -> Any:
    """Random token ids, (rows, positions)."""
    import torch

    return torch.randint(0, VOCAB, (rows, positions), generator=torch.Generator().manual_seed(seed)).to(device)


def pair(device: str) -> tuple[Any, Any]:
    """The clean and the corrupted prompt of the sweeps."""
    return tokens(1, SWEEP_POSITIONS, device, seed=1), tokens(1, SWEEP_POSITIONS, device, seed=2)


def difference(logits: Any) -> Any:
    """The metric, from logits (rows, positions, vocabulary) to one number for each row."""
    return logits[:, -1, TARGET] - logits[:, -1, FOIL]


def tokenizer(folder: str | Path) -> Any:
    """A tokenizer of two words that lies in a folder, for those who do not take a model without one."""
    from tokenizers import Tokenizer, models
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"a": 0, "<e>": 1}, unk_token="a"))
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<e>", bos_token="<e>", pad_token="<e>", unk_token="a").save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def word_for_each(folder: str | Path) -> Any:
    """A tokenizer with a word w0, w1, ... for every id and <e> for the last one, which stands for absent, unknown and padding ones."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({**{f"w{i}": i for i in range(VOCAB - 1)}, "<e>": ABSENT}, unk_token="<e>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<e>", bos_token="<e>", pad_token="<e>", unk_token="<e>").save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)
