"""Any endpoint that speaks the chat protocol of OpenAI: a server of one's own (llama.cpp, vLLM, Ollama) or a provider's.

Nothing but the standard library is needed. Redirects are not followed, so the key goes to the stated address only; it stands in no record.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sonde.features.descriptions.clients.cache import Cache
from sonde.features.descriptions.clients.client import Answer, Budget, ClientError, Usage, worst_case
from sonde.results import InputError

AGAIN = (408, 409, 425, 429, 500, 502, 503, 504, 529)
"""HTTP statuses after which the same request may succeed."""
LARGEST = 2**23
"""Bytes of an answer that are read at most."""
LONGEST = 60.0
"""Seconds that a server can make a client wait before it asks again."""


class _Unredirected(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any, **keywords: Any) -> None:
        return None


@dataclass(frozen=True, eq=False)
class OpenAICompatible:
    """A model behind an endpoint, asked at temperature 0.

    Arguments:
        base_url: what stands before `/chat/completions`, such as `http://localhost:8000/v1`.
        model: its name there.
        key: sent as a bearer token; none if empty.
        concurrency: requests at a time.
        retries: how often a request is repeated that failed in a way that may pass.
        timeout: seconds that a server may be silent.
        cache: a folder of answers by the hash of prompt, address and model; `None` keeps none.
        budget: what may be spent.
        pause: seconds before the first repetition, doubled for each further one; a server's `Retry-After` counts more.

    Raises:
        InputError: an address that is none, or a setting below its least.

    >>> client = OpenAICompatible("http://localhost:8000/v1", "small", key="secret")
    >>> client
    OpenAICompatible(small at http://localhost:8000/v1)
    """

    base_url: str
    model: str
    key: str = ""
    concurrency: int = 4
    retries: int = 4
    timeout: float = 60.0
    cache: str | Path | None = None
    budget: Budget = field(default_factory=Budget)
    pause: float = 1.0

    def __post_init__(self) -> None:
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.hostname or address.username or address.password:
            raise InputError("base_url: give an address such as http://localhost:8000/v1, without a user or a password in it")
        if not self.model or self.concurrency < 1 or self.retries < 0 or not self.timeout > 0 or self.pause < 0:
            raise InputError(
                f"model={self.model!r}, concurrency={self.concurrency}, retries={self.retries}, timeout={self.timeout}, pause={self.pause}: "
                "give the model a name, at least one request at a time, and no amount below 0"
            )

    @property
    def name(self) -> str:
        """What it is, for the records."""
        return f"{self.model} at {self.base_url}"

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
            BudgetSpent: before a request that could exceed the budget; answers that came before are in the cache.
            ClientError: the endpoint can't be reached, or refuses every request.
        """
        pool = ThreadPoolExecutor(self.concurrency)
        try:
            return list(pool.map(lambda prompt: self._answer(prompt, max_tokens), prompts))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)  # after an error nothing more is sent; what is on its way is waited for and kept

    def _answer(self, prompt: str, max_tokens: int) -> Answer:
        kept = Cache(None if self.cache is None else Path(self.cache), (self.base_url, self.model, "temperature 0"))
        answer = kept.find(prompt, max_tokens) or self._asked(prompt, max_tokens)
        self.budget.note(answer)
        if not answer.cached:
            kept.keep(prompt, max_tokens, answer)
        return answer

    def _asked(self, prompt: str, max_tokens: int) -> Answer:
        """Ask until there is an answer, or a reason why there is none."""
        body = {"model": self.model, "messages": [{"role": "user", "content": prompt}], "max_tokens": max_tokens, "temperature": 0}
        reserved = worst_case(prompt, max_tokens)
        error = ""
        for attempt in range(self.retries + 1):
            self.budget.reserve(*reserved)
            used = (0, 0)
            try:
                answer, used, wait = self._request(json.dumps(body).encode(), reserved)
            finally:
                self.budget.settle(reserved, used)
            if wait is None:
                return answer
            error = answer.error
            if attempt < self.retries:
                time.sleep(min(LONGEST, max(wait, self.pause * 2**attempt)))
        if error.startswith("unreachable"):
            raise ClientError(f"{self.base_url} is {error}: is the server running, is the address right?")
        return Answer("", f"{error}, {self.retries + 1} times")

    def _request(self, body: bytes, reserved: tuple[int, int]) -> tuple[Answer, tuple[int, int], float | None]:
        """One request: the answer, the tokens that it cost, and the least seconds before it is worth repeating; `None` where it is not."""
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {self.key}"} if self.key else {})}
        request = urllib.request.Request(f"{self.base_url.rstrip('/')}/chat/completions", body, headers)
        handlers: list[urllib.request.BaseHandler] = [_Unredirected()]
        if urlsplit(self.base_url).hostname in ("localhost", "127.0.0.1", "::1"):
            handlers.append(urllib.request.ProxyHandler({}))
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=self.timeout) as response:
                return self._read(response.read(LARGEST + 1), reserved)
        except urllib.error.HTTPError as refusal:
            if refusal.code in AGAIN:
                return Answer("", f"status {refusal.code}"), (0, 0), _seconds(refusal.headers.get("Retry-After"))
            detail = " ".join(refusal.read(2000).decode("utf-8", errors="replace").split())[:200]
            reason = self._without_key(detail) or "no reason given"
            raise ClientError(f"{self.name} refuses the request with status {refusal.code}: {reason}") from None
        except TimeoutError:
            # it may have been answered and paid for
            return Answer("", f"no answer within {self.timeout:g} seconds"), reserved, 0.0
        except (urllib.error.URLError, OSError) as failure:
            cause = getattr(failure, "reason", failure)
            if isinstance(cause, TimeoutError):
                return Answer("", f"no answer within {self.timeout:g} seconds"), reserved, 0.0
            return Answer("", f"unreachable: {self._without_key(str(cause))}"), (0, 0), 0.0
        except Exception as failure:  # http.client's own errors: a connection that was cut, a status line that is none
            return Answer("", f"a broken answer ({type(failure).__name__})"), reserved, 0.0

    def _read(self, raw: bytes, reserved: tuple[int, int]) -> tuple[Answer, tuple[int, int], float | None]:
        """The answer that stands in a response; tokens that a server does not count are taken at their most."""
        try:
            if len(raw) > LARGEST:
                raise ValueError("too long")
            told = json.loads(raw)
            message = told["choices"][0]["message"]
            finish = told["choices"][0].get("finish_reason")
            usage = told.get("usage") or {}
            used = int(usage.get("prompt_tokens", reserved[0])), int(usage.get("completion_tokens", reserved[1]))
            content, refusal = message.get("content"), message.get("refusal")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return Answer("", "an answer that is no chat completion"), reserved, 0.0
        if refusal or finish == "content_filter":
            return Answer("", "refused", *used), used, None
        if not isinstance(content, str) or not content.strip():
            return Answer("", "an empty answer", *used), used, None
        return Answer(content, "", *used), used, None

    def _without_key(self, text: str) -> str:
        return text.replace(self.key, "[key]") if self.key else text

    def __repr__(self) -> str:
        return f"OpenAICompatible({self.name})"


def _seconds(header: str | None) -> float:
    """What a server asks to wait; dates are taken as no wish."""
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        return 0.0
