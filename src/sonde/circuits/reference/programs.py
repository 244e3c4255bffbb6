"""Compiled programs (Lindner et al. 2023): what they compute with depends on the ablation. `sonde.specimens.compiled` holds programs of our own."""

from sonde.circuits.reference.known import EMBEDDING, Reference, into, mlp_in, mlp_out, out

_SHARE = [(EMBEDDING, mlp_in(0)), (mlp_out(0), into((1, 0), "v")[0]), (out((1, 0)), "logits")]
XPROPORTION = Reference(
    "xproportion", "Tracr's share of previous x", 2, None, {"mean": [(1, 0)]}, "Lindner et al. 2023; edges as Conmy et al. 2023",
    "By resampling; by zero ablation the embedding's edges into the head's query and key count, too: xproportion_zero.", lambda graph: _SHARE,
)  # fmt: skip
XPROPORTION_ZERO = Reference(
    "xproportion_zero", "Tracr's share of previous x", 2, None, {"mean": [(1, 0)]}, "Lindner et al. 2023; edges as Conmy et al. 2023",
    "By zero ablation.", lambda graph: [*_SHARE, *((EMBEDDING, site) for site in into((1, 0), "qk"))],
)  # fmt: skip
REVERSE = Reference(
    "reverse", "Tracr's reverse", 4, None, {"mover": [(3, 0)]}, "Lindner et al. 2023; edges as Conmy et al. 2023", "By resampling.",
    lambda graph: [(EMBEDDING, into((3, 0), "v")[0]), (out((3, 0)), "logits")],
)  # fmt: skip
