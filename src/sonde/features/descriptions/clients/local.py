"""A language model on this machine as a client: any causal model that sonde opens. It also tells how likely a given text is."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sonde.access import Model, log_likelihoods
from sonde.features.descriptions.clients.client import Answer, Budget, Usage
from sonde.results import InputError, SondeError


@dataclass(frozen=True, eq=False)
class Local:
    """A causal language model, asked greedily.

    Arguments:
        model: with its tokenizer; a chat template that the tokenizer has is used.
        budget: what may be spent.

    Raises:
        InputError: a model without tokenizer.
    """

    model: Model
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        if self.model.tokenizer is None:
            raise InputError(f"{self.model.name} has no tokenizer, so it can't answer: load it with tokenizer=")

    @property
    def name(self) -> str:
        """What it is, for the records."""
        return f"{self.model.name} ({self.model.hash[:8]})"

    @property
    def usage(self) -> Usage:
        """What was spent so far."""
        return self.budget.usage

    def complete(self, prompts: Sequence[str], max_tokens: int) -> list[Answer]:
        """One answer for each prompt, in order; those that fail say why.

        Arguments:
            prompts: what is asked.
            max_tokens: the most tokens of an answer.

        Raises:
            BudgetSpent: before a prompt that could exceed the budget.
        """
        return [self._answer(prompt, max_tokens) for prompt in prompts]

    def surprisal(self, prefixes: Sequence[str], texts: Sequence[str]) -> list[float | None]:
        """How unlikely each text is after its prefix, in nats a token; `None` where they do not fit into the context.

        Arguments:
            prefixes: what stands before.
            texts: what is asked about.
        """
        tokenizer = self.model.tokenizer
        assert tokenizer is not None
        rows = [(tokenizer.encode(before), tokenizer.encode(text, bos=False)) for before, text in zip(prefixes, texts, strict=True)]
        most = self.model.architecture.n_ctx
        fitting = [i for i, (before, own) in enumerate(rows) if before and own and (not most or len(before) + len(own) <= most)]
        found: list[float | None] = [None] * len(rows)
        told = log_likelihoods(self.model, [[*rows[i][0], *rows[i][1]] for i in fitting])
        for i, values in zip(fitting, told, strict=True):
            own = values[len(rows[i][0]) :]
            found[i] = -sum(own) / len(own)
        return found

    def _answer(self, prompt: str, max_tokens: int) -> Answer:
        assert self.model.tokenizer is not None
        asked, bos = self._formatted(prompt)
        read = len(self.model.tokenizer.encode(asked, bos))
        self.budget.reserve(read, max_tokens)
        text, error = "", ""
        try:
            text = self.model.generate(asked, max_new_tokens=max_tokens, bos=bos)
        except SondeError as refusal:
            error = str(refusal)
        written = len(self.model.tokenizer.encode(text, bos=False)) if text else 0
        self.budget.settle((read, max_tokens), (read, written))
        answer = Answer(text, error or ("" if text.strip() else "an empty answer"), read, written)
        self.budget.note(answer)
        return answer

    def _formatted(self, prompt: str) -> tuple[str, bool | None]:
        """The prompt in the model's chat format, which brings its special tokens along; as it is where there is none."""
        assert self.model.tokenizer is not None
        backend = self.model.tokenizer.backend
        if not getattr(backend, "chat_template", None):
            return prompt, None
        return str(backend.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True)), False

    def __repr__(self) -> str:
        return f"Local({self.name})"
