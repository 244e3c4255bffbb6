"""The arithmetic that a job cannot avoid, in floating-point operations; divided by the measured rate of matrix products it is the floor.

Counted are the products of GPT-2 small: a product of (n, k) and (k, m) is 2 n k m operations. What a metric at the last position does not need
is left out: earlier positions of the last block but for their keys and values, and all but two rows of the unembedding.
"""

from bench.subjects import dictionaries as d
from bench.subjects import edges as e
from bench.subjects import erasure, lenses
from bench.subjects import probing as p
from bench.subjects.workload import D_HEAD, D_MLP, D_MODEL, GRAD_POSITIONS, HEADS, LAYERS, STEPS, SWEEP_POSITIONS, VOCAB

QKV = 2 * D_MODEL * 3 * D_MODEL  # operations for one token
OUT = 2 * D_MODEL * D_MODEL
MLP = 2 * 2 * D_MODEL * D_MLP
BLOCK = QKV + OUT + MLP
KEYS_AND_VALUES = QKV * 2 // 3
PAIR = 2 * 2 * D_MODEL  # scores and mixing, for a query and a key it sees
UNEMBEDDING = 2 * D_MODEL * VOCAB


def blocks(positions: int, start: int = 0) -> int:
    """One block over the positions from `start` on, whose queries see all keys before them."""
    pairs = sum(range(start + 1, positions + 1))
    return (positions - start) * BLOCK + pairs * PAIR


def last_block(positions: int, start: int = 0) -> int:
    """The last block: keys and values from `start` on, everything else at the last position."""
    return (positions - start) * KEYS_AND_VALUES + BLOCK - KEYS_AND_VALUES + positions * PAIR


def sweep_residual() -> int:
    """A copy for layer l, position p enters at block l and runs the positions from p on."""
    return sum(
        (LAYERS - 1 - layer) * blocks(SWEEP_POSITIONS, pos) + last_block(SWEEP_POSITIONS, pos)
        for layer in range(LAYERS)
        for pos in range(SWEEP_POSITIONS)
    )


def sweep_heads() -> int:
    """A head of layer l changes what its block's output projection adds (a difference through the head's own rows), then the block's MLP, then
    all blocks above; a head of the last layer matters at the last position only."""
    entry = SWEEP_POSITIONS * (2 * D_HEAD * D_MODEL + MLP)
    below_last = sum(entry + (LAYERS - 2 - layer) * blocks(SWEEP_POSITIONS) + last_block(SWEEP_POSITIONS) for layer in range(LAYERS - 1))
    return HEADS * (below_last + 2 * D_HEAD * D_MODEL + MLP)


def occlusion() -> int:
    """The unedited forward; then a copy for each position, which runs the positions from there on through all blocks."""
    whole = (LAYERS - 1) * blocks(SWEEP_POSITIONS) + last_block(SWEEP_POSITIONS)
    return whole + sum((LAYERS - 1) * blocks(SWEEP_POSITIONS, pos) + last_block(SWEEP_POSITIONS, pos) for pos in range(SWEEP_POSITIONS))


def integrated_gradients() -> int:
    """For each step a forward, and as much again for the gradients of activations (none of weights)."""
    return STEPS * 2 * ((LAYERS - 1) * blocks(SWEEP_POSITIONS) + last_block(SWEEP_POSITIONS))


def grad_heads() -> int:
    """One forward with logits at the last position, and as much again for the gradients of activations (none of weights)."""
    return 2 * (LAYERS * blocks(GRAD_POSITIONS) + UNEMBEDDING)


def exact_edges() -> int:
    """For each edge what comes after its receiver's input, from the first position on at which a pair differs: of a head its own query, key or
    value and its share of the output, then the block's MLP; then all blocks above. What enters a head is projected once for all heads of a block."""
    start, total = e.DIFFER[0], 0
    for layer in range(LAYERS):
        last = layer == LAYERS - 1
        tokens = 1 if last else e.POSITIONS - start
        above = 0 if last else (LAYERS - 2 - layer) * blocks(e.POSITIONS, start) + last_block(e.POSITIONS, start)
        for receiver in range(layer * e.BLOCK, (layer + 1) * e.BLOCK):
            head = receiver < (layer + 1) * e.BLOCK - 1
            own = (e.POSITIONS - start) * 2 * D_MODEL * D_HEAD + tokens * 2 * D_HEAD * D_MODEL if head else 0
            total += e.before(receiver) * (own + tokens * MLP + above)
    return e.EXACT_PAIRS * total


def circuit_eval() -> int:
    """A forward of the partners, and one for each size; what every receiver reads: a product with each sender before it."""
    whole = (LAYERS - 1) * blocks(e.POSITIONS) + last_block(e.POSITIONS)
    edges = sum(e.before(receiver) for receiver in range(e.RECEIVERS))
    return e.EVALUATED_PAIRS * ((len(e.SHARES) + 1) * whole + len(e.SHARES) * edges * 2 * D_MODEL * e.POSITIONS)


def topk_step() -> int:
    """The encoder's product; then for each active latent of a row four products of its direction: decoding, its slope, and two rows of gradients."""
    return 2 * d.ROWS * d.TOPK_WIDTH * d.TOPK_SIZE + 8 * d.ROWS * d.K * d.TOPK_WIDTH


def l1_step() -> int:
    """The same for the latents that are active."""
    return 2 * d.ROWS * d.L1_WIDTH * d.L1_SIZE + 8 * d.ROWS * d.L1_ACTIVE * d.L1_WIDTH


def dense_step() -> int:
    """Five products: encoding, decoding, the slopes of the latents, and two gradients of weights."""
    return 10 * d.ROWS * d.L1_WIDTH * d.L1_SIZE


def pipeline() -> int:
    """For each token one block, and its share of a step; attention over the tokens before it."""
    width, tokens = d.PIPELINE_WIDTH, d.STEPS * d.PROMPTS * d.CONTEXT
    block = 2 * width * 3 * width + 2 * width * width + 2 * 2 * width * 4 * width
    attention = d.STEPS * d.PROMPTS * (d.CONTEXT * (d.CONTEXT + 1) // 2) * 4 * width
    return tokens * (block + 2 * width * d.PIPELINE_SIZE + 8 * d.K * width) + attention


def probes() -> int:
    """For each layer the loss and its gradient once, two products: even who is told the weights must see that the gradient vanishes there."""
    return p.LAYERS * 4 * p.TOKENS * p.WIDTH * p.CLASSES


def tuned_lens() -> int:
    """For each step a forward; then for each token and layer two products with the unembedding, and two with the translator: the reading, and the
    gradient, which neither the states nor the unembedding ask for."""
    forward = lenses.ROWS * (LAYERS * blocks(lenses.POSITIONS) + lenses.POSITIONS * UNEMBEDDING)
    return lenses.STEPS * (forward + lenses.ROWS * lenses.POSITIONS * LAYERS * (2 * UNEMBEDDING + 2 * OUT))


def leace() -> int:
    """One half of the symmetric product of the activations with themselves; in float64, of which an operation counts as two in float32."""
    return 2 * erasure.ROWS * erasure.WIDTH * (erasure.WIDTH + 1)
