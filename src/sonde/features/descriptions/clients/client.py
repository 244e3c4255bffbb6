"""What a client is: prompts in, answers out, each with what it cost and with the reason where there is none."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sonde.results import InputError, SondeError


class ClientError(SondeError, RuntimeError):
    """An endpoint that can't be used as it is set up: unreachable, an unknown model, a key that is refused."""


class BudgetSpent(SondeError, RuntimeError):
    """A request that could exceed the budget of tokens or money, and was not sent."""


@dataclass(frozen=True)
class Answer:
    """What came back for one prompt.

    Arguments:
        text: the answer; empty where there is none.
        error: why there is none; empty where there is one.
        read: tokens of the prompt.
        written: tokens of the answer.
        cached: taken from disk, at no cost.
    """

    text: str
    error: str = ""
    read: int = 0
    written: int = 0
    cached: bool = False


@dataclass(frozen=True)
class Usage:
    """What a number of answers cost.

    Arguments:
        requests: how many were sent, those that were repeated included.
        cached: how many answers came from disk.
        errors: how many prompts got no answer.
        read: tokens of prompts.
        written: tokens of answers.
        cost: in the currency of the price; `None` where no price is known.
    """

    requests: int = 0
    cached: int = 0
    errors: int = 0
    read: int = 0
    written: int = 0
    cost: float | None = None

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.read + self.written

    def since(self, before: "Usage") -> "Usage":
        """What came on top of an earlier account.

        Arguments:
            before: the earlier one.
        """
        cost = None if self.cost is None else self.cost - (before.cost or 0.0)
        return Usage(
            self.requests - before.requests, self.cached - before.cached, self.errors - before.errors, self.read - before.read,
            self.written - before.written, cost,
        )  # fmt: skip

    def __str__(self) -> str:
        cost = "not priced" if self.cost is None else f"cost {self.cost:.4g}"
        return f"{self.requests} requests, {self.cached} answers from disk, {self.errors} without answer, {self.tokens:,} tokens, {cost}"


class Client(Protocol):
    """Whoever answers prompts."""

    @property
    def name(self) -> str:
        """What it is, for the records; no key stands in it."""
        ...

    @property
    def usage(self) -> Usage:
        """What was spent so far."""
        ...

    def complete(self, prompts: Sequence[str], max_tokens: int) -> list[Answer]:
        """One answer for each prompt, in order.

        Arguments:
            prompts: any number; they know nothing of one another.
            max_tokens: the most tokens of an answer.

        Raises:
            BudgetSpent: before the first request that could exceed the budget. ClientError: nothing can be asked at all.
        """
        ...


@dataclass
class Budget:
    """How much may be spent, and how much was; a request is sent only if it can't exceed what is left, whatever it answers.

    Arguments:
        tokens: read and written together; no bound if `None`.
        money: in the currency of the price; no bound if `None`.
        price: of a million tokens read, and of a million written.

    Raises:
        InputError: amounts below 0, or money without a price.

    >>> budget = Budget(tokens=100)
    >>> budget.reserve(60, 20)
    >>> budget.settle((60, 20), (15, 5))
    >>> budget.usage
    Usage(requests=1, cached=0, errors=0, read=15, written=5, cost=None)
    """

    tokens: int | None = None
    money: float | None = None
    price: tuple[float, float] | None = None
    usage: Usage = field(default_factory=Usage, init=False)
    _held: tuple[int, int] = field(default=(0, 0), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        if any(amount is not None and amount < 0 for amount in (self.tokens, self.money, *(self.price or ()))):
            raise InputError(f"tokens={self.tokens}, money={self.money}, price={self.price}: none may be below 0")
        if self.money is not None and self.price is None:
            raise InputError(f"money={self.money} bounds nothing without a price: give price=(of a million tokens read, of a million written)")
        self.usage = Usage(cost=None if self.price is None else 0.0)

    def reserve(self, read: int, written: int) -> None:
        """Set aside what a request costs at most.

        Arguments:
            read: tokens of the prompt, at most.
            written: tokens of the answer, at most.

        Raises:
            BudgetSpent: so much is not left.
        """
        with self._lock:
            all_read, all_written = self.usage.read + self._held[0] + read, self.usage.written + self._held[1] + written
            if self.tokens is not None and all_read + all_written > self.tokens:
                more = f"{read + written:,} more ({self.usage})"
                raise BudgetSpent(f"the budget of {self.tokens:,} tokens does not hold a request of up to {more}: raise it")
            if self.money is not None and (cost := self._cost(all_read, all_written) or 0.0) > self.money:
                raise BudgetSpent(f"the budget of {self.money:g} does not hold a request that could raise the cost to {cost:.4g}: raise it")
            self._held = self._held[0] + read, self._held[1] + written

    def settle(self, reserved: tuple[int, int], used: tuple[int, int]) -> None:
        """Book what a request did cost.

        Arguments:
            reserved: what was set aside for it.
            used: tokens read and written.
        """
        with self._lock:
            self._held = self._held[0] - reserved[0], self._held[1] - reserved[1]
            u = self.usage
            read, written = u.read + used[0], u.written + used[1]
            self.usage = Usage(u.requests + 1, u.cached, u.errors, read, written, self._cost(read, written))

    def note(self, answer: Answer) -> None:
        """Count an answer that came from disk, or none.

        Arguments:
            answer: what came.
        """
        with self._lock:
            u = self.usage
            self.usage = Usage(u.requests, u.cached + answer.cached, u.errors + bool(answer.error), u.read, u.written, u.cost)

    def _cost(self, read: int, written: int) -> float | None:
        return None if self.price is None else (read * self.price[0] + written * self.price[1]) / 1e6


def worst_case(prompt: str, max_tokens: int) -> tuple[int, int]:
    """The most tokens that a request can cost: a token spells at least one byte, and chat formats add some.

    Arguments:
        prompt: what is asked.
        max_tokens: the most tokens of the answer.
    """
    return len(prompt.encode("utf-8", errors="replace")) + 64, max_tokens
