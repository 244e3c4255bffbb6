"""End-to-end training: what is written is judged by what the model makes of it, not by its distance (Braun et al. 2024).

    error = mean over tokens of KL(the model's prediction || its prediction with y^ in place of y)  +  sum over later sites of weight x their FVU

The gradient by what was written comes from the model's own backward; from there the step is the sparse one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Apply, Model, Run
from sonde.access.forward import differentiable
from sonde.access.sites import Site
from sonde.access.writes import Write
from sonde.dictionaries.step import Error
from sonde.dictionaries.store import Live
from sonde.dictionaries.store.source import State
from sonde.dictionaries.store.stream import Block
from sonde.dictionaries.training.learner import Learner
from sonde.results import InputError, shown


class EndToEnd(Live):
    """Activations of a model, forward by forward, with the loss that the model itself gives to what a dictionary writes.

    Rows are not mixed: a batch is the rows of one forward.

    Arguments:
        model: the model.
        text: what is read; see `Live`.
        site: what is read and written.
        rows: how many rows to give in all.
        loss: `kl`: the divergence from the model's own prediction; `ce`: its loss on the next token.
        later: weights of the squared error at later sites, as a share of their variance (the "downstream" variant).
        batch_size: sequences in a forward.
        seed: of the order of documents.

    Raises:
        InputError: another loss, an input that is no text.
    """

    def __init__(
        self, model: Model, text: Any, site: str, rows: int | None = None, loss: Literal["kl", "ce"] = "kl",
        later: Mapping[str, float] | None = None, batch_size: int | Literal["auto"] = "auto", seed: int = 0,
    ):  # fmt: skip
        if loss not in ("kl", "ce"):
            raise InputError(f"loss={shown(loss)}: use 'kl' or 'ce'")
        super().__init__(model, text, site, rows, batch_size, seed=seed)
        if len(self.parts) != 1:
            raise InputError(f"site={shown(site)}: end to end one site is trained at a time")
        self.loss, self.later, self._model = loss, dict(later or {}), model
        self._place = self.beginning(0)
        self._given = 0

    @property
    def identity(self) -> State:
        """What must be the same for the same rows and the same loss."""
        return {**super().identity, "loss": self.loss, "later": self.later}

    def batches(self, size: int) -> Iterator[Float[Tensor, "row width"]]:
        """The rows of one forward after the other.

        Arguments:
            size: the most rows that a forward may have.

        Raises:
            InputError: a forward with more.
        """
        for _, block in self.endless(self._place):
            if len(block.rows) > size:
                raise InputError(f"a forward of {self.batch_size} sequences has {len(block.rows)} rows, above batch={size}: lower batch_size")
            if self.rows is not None and self._given >= self.rows:
                return
            # noted before it is handed out, since what comes next is what follows it
            self._place, self._given = block.after, self._given + len(block.rows)
            yield block.rows.float()

    def state_dict(self) -> State:
        """How far the batches have gone."""
        return {"identity": self.identity, "place": list(self._place), "given": self._given}

    def load_state_dict(self, state: State) -> None:
        """Go on from there.

        Arguments:
            state: what `state_dict` gave.

        Raises:
            InputError: a state of another source.
        """
        if state.get("identity") != self.identity:
            raise InputError("this state is of another model, text, site or loss: make the source as it was, or begin anew without the state")
        self._place, self._given = tuple(state["place"]), state["given"]

    def error(self, learner: Learner) -> Error:
        """The loss of what a learner writes for the rows that were given last.

        Arguments:
            learner: whose normaliser is undone.
        """

        def error(rebuilt: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            leaf = rebuilt.detach().requires_grad_()
            written = leaf if learner.target is None else learner.target.undo(leaf)
            with torch.enable_grad():
                loss = self._loss(written)
            return loss.detach(), torch.autograd.grad(loss, leaf)[0]

        return error

    def _block(self, group: Sequence[Any], number: int) -> Block:
        block = super()._block(group, number)
        if block.tokens is None:
            raise InputError("end-to-end training needs text: its loss is that of the model's predictions")
        self._last = ([sequence.tokens for sequence in group], block.sequences - number if block.sequences is not None else None, block.positions)
        self._clean: Run | None = None
        return block

    def _loss(self, written: Tensor) -> Tensor:
        """Per token of the last forward, with these rows in their places."""
        tokens, sequences, positions = self._last
        model = self._model
        if self._clean is None:
            self._clean = model.run(tokens, read=list(self.later))
        clean = self._clean
        seen: dict[str, Tensor] = {}

        def put(value: Tensor) -> Tensor:
            return value.index_put((sequences, positions), written.to(value.dtype).view(-1, *value.shape[2:]))

        def keep(site: str) -> Any:
            return lambda value: seen.setdefault(site, value)

        def metric(run: Run) -> Tensor:
            return self._by_row(run, clean)

        writes = [Write(Site(one), Apply(one, act)) for one, act in [(self.parts[0].site, put), *((site, keep(site)) for site in self.later)]]
        total = differentiable(model, clean.inputs, writes, metric).sum() / len(written)
        for site, weight in self.later.items():
            was = clean[site]
            total = total + weight * (seen[site] - was).pow(2).sum() / (was - was.mean((0, 1))).pow(2).sum()
        return total

    def _by_row(self, run: Run, clean: Run) -> Tensor:
        mask, ids = clean.inputs.mask, clean.inputs.ids
        assert run.logits is not None and clean.logits is not None and mask is not None and ids is not None
        log = run.logits.float().log_softmax(-1)
        if self.loss == "kl":
            wanted = clean.logits.float().log_softmax(-1)
            return ((wanted.exp() * (wanted - log)).sum(-1) * mask).sum(1)
        return (-log[:, :-1].gather(-1, ids[:, 1:, None])[..., 0] * mask[:, 1:]).sum(1)
