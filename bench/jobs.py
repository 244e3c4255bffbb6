"""What is measured: the jobs, who does them, and what sonde claims about them."""

from dataclasses import dataclass

from bench import arithmetic

HANDLES = ("nnsight", "transformer-lens", "pyvene")  # as PyPI calls them; versions in peers.toml
DICTIONARIES = ("sae-lens", "eai-sparsify", "dictionary-learning")  # trainers of sparse dictionaries
PEERS = (
    *HANDLES,
    "captum",
    "inseq",
    "shap",
    "auto-circuit",
    *DICTIONARIES,
    "sae-dashboard",
    "scikit-learn",
    "concept-erasure",
    "tuned-lens",
    "kronfluence",
    "dattri",
)

CLAIMED = ("sonde", "sonde --help")  # whom the claim of seconds speaks of

# subject -> its module in bench/subjects, and the distribution whose version is told
SUBJECTS = {
    "plain": ("plain", "torch"),
    "plain hooks": ("plain_hooks", "torch"),
    "projections": ("projections", "torch"),
    "sonde": ("sonde", "sonde"),
    "sonde --help": ("sonde_help", "sonde"),
    "sonde, first use": ("sonde_used", "sonde"),
    "sonde, adaptive": ("sonde_adaptive", "sonde"),
    "sonde, index": ("sonde_index", "sonde"),
    **{peer: (peer.replace("-", "_"), peer) for peer in PEERS},
}


@dataclass(frozen=True)
class Job:
    """One thing to do, by every subject that can.

    Arguments:
        id: its name on the command line.
        task: what is done, in one line.
        subjects: who does it.
        function: its name in a subject's module.
        repeats: how often each subject does it.
        truth: the subject whose numbers the others must match; empty where no numbers come out.
        flops: operations that cannot be avoided; 0 where the floor is another one.
        floor_of: the subject whose cost is the floor, where arithmetic is not.
        at_most: seconds that sonde may take; 0 where nothing is claimed.
        at_most_floors: the same in multiples of the floor.
        ahead: how many times the best peer must cost what sonde does.
        score_within: how far sonde's score may lie below that of the best peer; 0 where nothing is claimed.
        of_plain: the share of what `plain` costs that sonde may cost; 0 where nothing is claimed.
        data: folders of the shared data that it needs.
        memory_mb: how far sonde's peak memory may lie above that of `plain`, MB.
        of_memory: a peer, and the share of its memory, beyond libraries and data, that sonde may take.
        of_peer: a way of sonde's, a peer, and the share of what the peer costs that it may cost.
        closest: whether sonde's numbers lie at least as close to the true ones as each peer's.
        above_mb: how far it may lie above what is resident with the model loaded, MB.
        within_mb: how much it may be in all, MB.
    """

    id: str
    task: str
    subjects: tuple[str, ...]
    function: str
    repeats: int = 5
    truth: str = ""
    flops: int = 0
    floor_of: str = ""
    at_most: float = 0.0
    at_most_floors: float = 0.0
    ahead: float = 0.0
    score_within: float = 0.0
    of_plain: float = 0.0
    data: tuple[str, ...] = ()
    memory_mb: float = 0.0
    above_mb: float = 0.0
    within_mb: float = 0.0
    closest: bool = False
    of_peer: tuple[str, str, float] | None = None
    of_memory: tuple[str, float] | None = None


JOBS = {
    job.id: job
    for job in (
        Job(
            "sweep-residual", "patch the residual stream entering each of 12 layers at each of 32 positions: 384 cells, logit difference",
            ("plain", "sonde", *HANDLES), "sweep_residual", 5, "plain", flops=arithmetic.sweep_residual(), at_most=8.5, ahead=7, memory_mb=100,
        ),
        Job(
            "sweep-heads", "patch each of 144 heads at all of 32 positions, logit difference",
            ("plain", "sonde", *HANDLES), "sweep_heads", 5, "plain", flops=arithmetic.sweep_heads(), at_most=5.7, ahead=4, memory_mb=100,
        ),
        Job(
            "grad-heads", "gradient of a logit difference at the outputs of all 144 heads, 1 x 128 tokens",
            ("plain", "sonde", "nnsight", "transformer-lens"), "grad_heads", 7, "plain", flops=arithmetic.grad_heads(), at_most=0.70, ahead=2,
        ),
        Job(
            "cache-all", "keep residual stream (pre, mid, post), q, k, v, z, pattern, MLP (pre, post) of all layers, 8 x 64 tokens",
            ("plain", "plain hooks", "sonde", *HANDLES), "cache_all", 7, "plain hooks", floor_of="plain", at_most_floors=1.10,
        ),
        Job(
            "run-nothing", "a forward in which nothing is read, 8 x 64 tokens",
            ("plain", "sonde"), "run_nothing", 11, "plain", floor_of="plain", at_most_floors=1.02,
        ),
        Job(
            "occlusion", "replace each of 32 tokens by another one, one at a time, logit difference",
            ("plain", "sonde", "captum", "inseq"), "occlusion", 5, "plain", flops=arithmetic.occlusion(), at_most=2.3,
        ),
        Job(
            "blimp", "prefer the acceptable sentence: 67 x 1,000 minimal pairs on stories260k, beside a plain loop with padding",
            ("plain", "sonde"), "blimp", 1, "plain", of_plain=1 / 3, data=("blimp", "stories260k"),
        ),
        Job(
            "ig", "integrated gradients of 32 tokens from another one, 50 steps of Gauss-Legendre, logit difference",
            ("plain", "sonde", "sonde, adaptive", "captum", "inseq"), "integrated_gradients", 5, "plain", flops=arithmetic.integrated_gradients(),
            at_most=8.4,
        ),
        Job(
            "gradcam", "Grad-CAM of 64 pictures of 3 x 224 x 224 at the last maps, in the shape of SqueezeNet 1.0",
            ("plain", "sonde", "captum"), "grad_cam", 5, "plain", floor_of="plain", ahead=0.952,
        ),
        Job(
            "eap", "edge attribution patching of 32,491 edges, 8 pairs of 15 tokens",
            ("plain", "sonde", "auto-circuit", "transformer-lens"), "eap", 5, "plain", floor_of="plain", at_most=2.0, above_mb=600,
        ),
        Job(
            "eap-ig", "edge attribution patching with integrated gradients, 5 steps, 8 pairs of 15 tokens",
            ("plain", "sonde"), "eap_ig", 5, "plain", floor_of="plain", at_most=7,
        ),
        Job(
            "exact-edges", "what the ablation of each of 32,491 edges alone does to the logit difference, 4 pairs of 15 tokens",
            ("plain", "sonde", "auto-circuit"), "exact_edges", 1, "plain", flops=arithmetic.exact_edges(), at_most=1400,
        ),
        Job(
            "acdc", "ACDC of 32,491 edges by divergence from the whole model, at .05 of what ablating everything costs, 4 pairs of 15 tokens",
            ("plain", "sonde", "auto-circuit"), "acdc", 1, "plain", ahead=50,
        ),
        Job(
            "circuit-eval", "the logit difference of circuits of 10 sizes, 32 to 32,491 edges, all others ablated, 2 pairs of 15 tokens",
            ("plain", "sonde", "auto-circuit"), "circuit_eval", 5, "plain", flops=arithmetic.circuit_eval(), at_most=2.0,
        ),
        Job(
            "sae-topk-step", "one step of training a TopK dictionary of 12,288 latents on 4,096 activations of 768 entries, k = 32",
            ("plain", "sonde", *DICTIONARIES), "sae_topk_step", 5, flops=arithmetic.topk_step(), at_most_floors=1 / 0.7,
            ahead=1.55, of_memory=("eai-sparsify", 0.5),
        ),
        Job(
            "sae-l1-step", "one step of training a ReLU dictionary of 4,096 latents on 4,096 activations of 512 entries, 64 active, two threads",
            ("plain", "sonde", "sae-lens", "dictionary-learning"), "sae_l1_step", 7, flops=arithmetic.l1_step(), at_most_floors=1 / 0.65,
        ),
        Job(
            "sae-l1-dense-step", "the same at the start, with about half of the latents active",
            ("plain", "sonde", "sae-lens", "dictionary-learning"), "sae_l1_dense_step", 7, flops=arithmetic.dense_step(), ahead=1.0,
        ),
        Job(
            "sae-pipeline", "train a TopK dictionary of 4,096 latents on a live model of 512 entries, 8 steps of 4,096 tokens",
            ("plain", "sonde", "sae-lens", "eai-sparsify"), "sae_pipeline", 3, flops=arithmetic.pipeline(), ahead=2.1,
        ),
        Job(
            "probes", "logistic probes at each of 12 layers, 17 classes, 100,000 tokens of 768 entries, standardised, C = 1",
            ("plain", "sonde", "scikit-learn"), "probes", 3, flops=arithmetic.probes(), ahead=5.0, score_within=0.005,
        ),
        Job(
            "leace", "fit LEACE on 100,000 activations of 768 entries in two classes; difference: the cross-covariance that is left",
            ("plain", "sonde", "concept-erasure"), "leace", 5, "plain", flops=arithmetic.leace(), ahead=1.0, closest=True,
        ),
        Job(
            "logit-lens", "the 10 best tokens of every layer, 12 layers, 1 x 128 tokens",
            ("plain", "projections", "sonde", "tuned-lens"), "logit_lens", 7, "plain", floor_of="projections", at_most_floors=1.15,
        ),
        Job(
            "tuned-lens", "train a tuned lens of 12 layers with SGD, 2 steps of 256 tokens; difference: of the layers' losses at the second step",
            ("plain", "sonde", "tuned-lens"), "tuned_lens", 3, "plain", flops=arithmetic.tuned_lens(), ahead=1.5,
        ),
        Job(
            "ekfac-fit", "EK-FAC of a 4-layer transformer (width 256) from 200 sequences of 128 tokens: second moments, eigenvectors, eigenvalues",
            ("plain", "sonde", "kronfluence"), "ekfac_fit", 2, "plain", ahead=1.39,
        ),
        Job(
            "ekfac-self", "self-influence of 200 sequences of 128 tokens by the same EK-FAC",
            ("plain", "sonde", "kronfluence"), "ekfac_self", 3, "plain", ahead=2.78,
        ),
        Job(
            "ekfac-pairwise", "influence of 200 sequences of 128 tokens on 32 queries by the same EK-FAC",
            ("plain", "sonde", "sonde, index", "kronfluence"), "ekfac_pairwise", 2, "plain", ahead=1.12,
            of_peer=("sonde, index", "kronfluence", 0.1),
        ),
        Job(
            "ekfac-memory", "peak memory of all these stages in one process, 100 sequences",
            ("plain", "sonde", "kronfluence"), "ekfac_memory", 1, "plain", within_mb=1700,
        ),
        Job(
            "feature-vis", "seek the pictures of 16 channels of fire5, 128 pixels, 256 steps, in the shape of SqueezeNet 1.0",
            ("plain", "sonde"), "feature_vis", 1, of_plain=1 / 3, score_within=1e-6,
        ),
        Job(
            "dataset-examples", "of 10,000 pictures of 64 pixels the 20 largest, the 20 smallest and 5 at each of ten levels for each of 384 units",
            ("plain", "sonde"), "dataset_examples", 3, "plain", of_plain=1 / 2,
        ),
        Job("import", "import the library, in a fresh interpreter", ("plain", "sonde", "sonde --help", *HANDLES), "imports", 5, at_most=0.4),
        Job("wrap", "take a module that is in memory", ("sonde", "sonde, first use", *HANDLES), "wrap", 5, at_most=0.05),
    )
}  # fmt: skip
