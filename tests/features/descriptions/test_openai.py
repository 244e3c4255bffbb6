"""The client of chat endpoints against a server that fails in every way that servers do."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sonde.features.descriptions import Budget, BudgetSpent, ClientError, OpenAICompatible
from sonde.results import InputError


def told(text="7", read=10, written=2, **message):
    """A chat completion."""
    return 200, {
        "choices": [{"message": {"content": text, **message}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": read, "completion_tokens": written},
    }


@contextmanager
def serving(*replies):
    """A server that gives these replies one after the other, the last one for ever; yields its address and the requests that came."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append({"path": self.path, "key": self.headers.get("Authorization"), **body})
            reply = replies[min(len(requests), len(replies)) - 1]
            reply = reply(body) if callable(reply) else reply
            status, content = reply[:2]
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in reply[2].items() if len(reply) > 2 else ():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def client(address, **settings):
    return OpenAICompatible(address, "small", **{"pause": 0.001, "timeout": 5.0, **settings})


def test_answers_in_order_and_what_they_cost():
    with serving(lambda body: told(body["messages"][0]["content"].upper())) as (address, requests):
        asked = client(address, key="secret", budget=Budget(price=(1.0, 10.0)))
        answers = asked.complete([f"prompt {i}" for i in range(12)], 20)
    assert [answer.text for answer in answers] == [f"PROMPT {i}" for i in range(12)]
    assert asked.usage.requests == 12 and asked.usage.read == 120 and asked.usage.written == 24
    assert asked.usage.cost == pytest.approx((120 * 1.0 + 24 * 10.0) / 1e6)
    assert {r["path"] for r in requests} == {"/v1/chat/completions"} and {r["key"] for r in requests} == {"Bearer secret"}
    assert requests[0]["model"] == "small" and requests[0]["temperature"] == 0 and requests[0]["max_tokens"] == 20
    assert "secret" not in repr(asked) + asked.name + str(asked.usage)


@pytest.mark.parametrize(
    "failure", [(429, {}, {"Retry-After": "0.01"}), (500, {}), (503, b"busy"), (200, b"{not json"), (200, {"choices": []}), (200, [])]
)
def test_what_may_pass_is_asked_again(failure):
    with serving(failure, failure, told("3")) as (address, requests):
        asked = client(address)
        answer = asked.complete(["?"], 5)[0]
    assert answer.text == "3" and len(requests) == 3 == asked.usage.requests


def test_a_server_says_how_long_to_wait():
    with serving((429, {}, {"Retry-After": "0.3"}), told()) as (address, _):
        start = time.perf_counter()
        client(address).complete(["?"], 5)
    assert time.perf_counter() - start >= 0.3


@pytest.mark.parametrize("failure, reason", [((500, {}), "status 500"), ((200, b"no"), "no chat completion")])
def test_what_never_passes_is_told_for_each_prompt(failure, reason):
    with serving(failure) as (address, requests):
        asked = client(address, retries=2)
        answers = asked.complete(["a", "b"], 5)
    assert all(reason in answer.error and answer.text == "" for answer in answers)
    assert len(requests) == 6 and asked.usage.errors == 2


def test_a_silent_server_is_given_up():
    with serving(lambda body: (time.sleep(0.5), told())[1]) as (address, _):
        asked = client(address, timeout=0.1, retries=0)
        answer = asked.complete(["?"], 5)[0]
    assert "no answer within 0.1 seconds" in answer.error
    # it may have been paid for: its worst case is booked
    assert asked.usage.tokens >= 5 + 1


@pytest.mark.parametrize("message", [{"refusal": "I can't help"}, {"content": None}, {"content": "  "}])
def test_refusals_are_answers_that_failed(message):
    with serving(told(**{"text": "", **message} if "content" not in message else {"text": message["content"]})) as (address, requests):
        answer = client(address).complete(["?"], 5)[0]
    assert answer.error in ("refused", "an empty answer") and len(requests) == 1 and answer.read == 10


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302])
def test_what_is_wrong_for_good_ends_it(status):
    failure = status, b"key secret: no such model", {"Location": "http://127.0.0.1:9/"}
    with serving(failure) as (address, requests), pytest.raises(ClientError, match=f"status {status}") as refusal:
        client(address, key="secret", concurrency=1).complete(["?"] * 50, 5)
    assert len(requests) < 50 and "secret" not in str(refusal.value) and "\n" not in str(refusal.value)


def test_no_server():
    with serving(told()) as (address, _):
        pass
    with pytest.raises(ClientError, match="is the server running"):
        client(address, retries=1).complete(["?"], 5)


def test_answers_are_asked_once(tmp_path):
    with serving(told("9")) as (address, requests):
        first = client(address, cache=tmp_path, key="secret").complete(["a", "b"], 5)
        again = client(address, cache=tmp_path, budget=Budget(tokens=0))
        assert [answer.text for answer in again.complete(["a", "b"], 5)] == ["9", "9"] == [answer.text for answer in first]
        assert len(requests) == 2 and again.usage.cached == 2 and again.usage.requests == 0 and again.usage.tokens == 0
        client(address, cache=tmp_path).complete(["a"], 6)
        OpenAICompatible(address, "other", cache=tmp_path).complete(["a"], 5)
        assert len(requests) == 4
        for file in tmp_path.rglob("*.json"):
            assert "secret" not in file.read_text()
            file.write_text("{damaged")
        client(address, cache=tmp_path).complete(["a"], 5)
        assert len(requests) == 5


def test_failures_are_not_kept(tmp_path):
    with serving((500, {}), told("1")) as (address, requests):
        assert client(address, cache=tmp_path, retries=0).complete(["a"], 5)[0].error
        assert client(address, cache=tmp_path, retries=0).complete(["a"], 5)[0].text == "1" and len(requests) == 2


def test_the_budget_is_never_exceeded():
    """Whatever the server says that it used: a request that could exceed what is left is not sent."""
    with serving(told(read=40, written=20)) as (address, requests):
        asked = client(address, concurrency=8, budget=Budget(tokens=300))
        with pytest.raises(BudgetSpent, match="budget of 300 tokens"):
            asked.complete(["?" * 20] * 40, 20)
        assert 1 <= len(requests) < 10 and asked.usage.tokens <= 300
        priced = client(address, budget=Budget(money=1e-9, price=(1.0, 1.0)))
        with pytest.raises(BudgetSpent, match="could raise the cost"):
            priced.complete(["?"], 5)
        assert priced.usage.requests == 0


def test_a_server_that_does_not_count_is_taken_at_its_most():
    with serving((200, {"choices": [{"message": {"content": "1"}}]})) as (address, _):
        asked = client(address)
        asked.complete(["four"], 7)
    assert asked.usage.written == 7 and asked.usage.read >= 4


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "localhost:80"},
        {"base_url": "ftp://x/"},
        {"base_url": "http://user:secret@x/"},
        {"model": ""},
        {"concurrency": 0},
        {"timeout": 0},
    ],
)
def test_settings_that_are_none(settings):
    with pytest.raises(InputError) as refusal:
        OpenAICompatible(**{"base_url": "http://x", "model": "m", **settings})
    assert "secret" not in str(refusal.value)


def test_budgets_that_are_none():
    with pytest.raises(InputError, match="without a price"):
        Budget(money=1.0)
    with pytest.raises(InputError, match="below 0"):
        Budget(tokens=-1)
