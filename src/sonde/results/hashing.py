"""One content hash for everything that a result must be able to name again: tensors, state dicts, plain data.

Equal content has the same hash in every process and on every device, whatever the memory layout; a changed bit, shape, dtype, type or
order changes it.
"""

import hashlib
import struct
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from torch import Tensor

DIGITS = 16  # hexadecimal digits kept of the 64: 64 bits, so two of a billion things collide with probability 3 %


def content_hash(content: Any) -> str:
    """The hash of a value made of tensors, numbers, text, bytes, `None`, sequences, mappings and dataclasses, nested as you like.

    Lists and tuples count as the same; the order of a mapping's keys does not matter, so a `state_dict()` can be given as it is.

    Arguments:
        content: the value.

    Returns:
        16 hexadecimal digits.

    Raises:
        TypeError: for anything else, because its hash would not be the same in another process.

    >>> content_hash({"k": 5, "sites": ("embed", "logits")})
    'd29ac2eb8092b924'
    >>> content_hash({"sites": ["embed", "logits"], "k": 5}) == content_hash({"k": 5, "sites": ("embed", "logits")})
    True
    """
    digest = hashlib.sha256()
    _feed(digest, content)
    return digest.hexdigest()[:DIGITS]


def is_tensor(value: Any) -> "TypeGuard[Tensor]":
    """Whether a value is a torch tensor, without importing torch: where it was never imported there are no tensors."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _feed(digest: Any, content: Any) -> None:
    """Every item goes in as a tag and a length before its bytes, so that no two values can run together into the same stream."""
    if content is None:
        _item(digest, "none", b"")
    elif isinstance(content, bool | int):
        _item(digest, type(content).__name__, str(content).encode())
    elif isinstance(content, float):
        _item(digest, "float", struct.pack("<d", content))
    elif isinstance(content, str):
        _item(digest, "str", content.encode("utf-8", "surrogatepass"))
    elif isinstance(content, bytes):
        _item(digest, "bytes", content)
    elif is_tensor(content):
        _feed_tensor(digest, content)
    elif isinstance(content, list | tuple):
        _item(digest, "sequence", str(len(content)).encode())
        for part in content:
            _feed(digest, part)
    elif isinstance(content, Mapping):
        # by the keys' hashes, since keys of different types have no order of their own
        ordered = sorted(((content_hash(key), value) for key, value in content.items()), key=lambda entry: entry[0])
        _item(digest, "mapping", str(len(ordered)).encode())
        for key, value in ordered:
            _feed(digest, key)
            _feed(digest, value)
    elif is_dataclass(content) and not isinstance(content, type):
        _item(digest, "dataclass", type(content).__name__.encode())
        _feed(digest, {f.name: getattr(content, f.name) for f in fields(content)})
    else:
        raise TypeError(
            f"a {type(content).__name__} has no content hash: give tensors, numbers, text, None, sequences, mappings or dataclasses of them"
        )


def _feed_tensor(digest: Any, tensor: "Tensor") -> None:
    import torch

    _item(digest, "tensor", f"{tensor.dtype} {list(tensor.shape)}".encode())
    # bytes, because NumPy knows no bfloat16
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    digest.update(flat.numpy().data)


def _item(digest: Any, tag: str, body: bytes) -> None:
    digest.update(f"{tag}:{len(body)}:".encode())
    digest.update(body)
