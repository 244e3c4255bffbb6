"""The server of feature pages: what it answers, what it refuses, and the pages in a real browser while it serves them."""

import re
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from features.planted import Planted
from starlette.testclient import TestClient
from views.browser import chromium

from sonde import app
from sonde.app.serving import _bound
from sonde.features import pages, records
from sonde.results import InputError
from sonde.views import BundleMissing
from sonde.views.assets import asset


class Served(Planted):
    """As a database: what takes the model is given it."""

    def record(self, latent: int) -> records.Record:
        if not 0 <= latent < self.size:
            raise InputError(f"there is no latent {latent}: the database has {self.size}")
        return super().record(latent)

    def effects(self, model: object, latent: int) -> records.Effects:  # type: ignore[override]
        assert model == "the model"
        return super().effects(latent)

    def active(self, model: object, prompt: str, by: str, most: int) -> records.Active:  # type: ignore[override]
        assert model == "the model"
        found = super().active(prompt)
        for firing in found["firings"]:
            firing["effects"] = firing["effects"] if by == "effect" else None
        return found


@pytest.fixture(scope="module", autouse=True)
def bundle() -> None:
    try:
        asset("features.js")
    except BundleMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(app.application(Served(12), "the model"), base_url="http://127.0.0.1")


def test_answers_are_records(client: TestClient) -> None:
    planted = Planted(12)
    assert client.get("/api/latents/1").json() == pages.rounded(planted.record(1))
    assert client.get("/api/latents/1/effects").json() == pages.rounded(planted.effects(1))
    assert client.get("/api/active", params={"text": "the cat"}).json()["tokens"] == [" the", " cat"]
    by_effect = client.get("/api/active", params={"text": "the cat", "by": "effect"}).json()
    assert all(firing["effects"] for firing in by_effect["firings"])


def test_the_start_page_holds_the_list_and_asks_nobody_else(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', answer.text)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert policy.endswith("connect-src 'self'")
    assert "unsafe-inline'; img" in policy and "script-src 'unsafe" not in policy
    assert '"latents":[0,1,2,3,4,5,6,7,8,9,10,11]' in answer.text


@pytest.mark.parametrize("path", ["/", "/api/latents/1", "/api/active"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_written(client: TestClient, path: str, method: str) -> None:
    assert client.request(method, path).status_code == 405


@pytest.mark.parametrize(
    "path, status",
    [("/api/latents/12", 400), ("/api/latents/-1", 400), ("/api/latents/x", 422), ("/api/latents/../../etc/passwd", 404), ("/api/nothing", 404),
     ("/docs", 404), ("/openapi.json", 404), ("/api/active", 422), ("/api/active?text=a&by=chance", 422), ("/%2e%2e/etc/passwd", 404)],
)  # fmt: skip
def test_what_is_not_there(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert "root:" not in answer.text


def test_a_mistake_is_one_line(client: TestClient) -> None:
    assert client.get("/api/latents/99").json() == {"error": "there is no latent 99: the database has 12"}
    assert client.get("/api/active", params={"text": "a" * 9000}).json() == {"error": "a prompt of 9,000 characters: give at most 8,000"}


def test_other_sites_and_other_names_are_refused(client: TestClient) -> None:
    for site, status in (("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)):
        assert client.get("/api/latents/1", headers={"Sec-Fetch-Site": site}).status_code == status
    assert client.get("/api/latents/1", headers={"Host": "evil.example"}).status_code == 400  # a name that points here
    answer = client.get("/api/latents/1", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"


def test_without_a_model_nothing_runs_it() -> None:
    bare = TestClient(app.application(Served(3)), base_url="http://localhost")
    assert bare.get("/api/latents/1").status_code == 200
    assert bare.get("/api/latents/1/effects").status_code == 404
    assert bare.get("/api/active?text=a").status_code == 404
    assert '"asks":["latents"]' in bare.get("/").text


def test_only_this_machine_is_listened_to() -> None:
    with _bound(0) as listening:
        host, port = listening.getsockname()
        assert host == "127.0.0.1"
        with pytest.raises(InputError, match=f"port={port} can't be had"):
            app.serve(None, port)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="port=70000"):
        _bound(70000)


@pytest.fixture
def address() -> Iterator[str]:
    """A server that runs while the test does."""
    with _bound(0) as listening:
        server = uvicorn.Server(uvicorn.Config(app.application(Served(12), "the model"), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


def test_in_a_browser(address: str, tmp_path) -> None:
    with chromium(tmp_path, "features.js") as watched:
        page = watched.page
        page.set_default_timeout(30_000)
        page.goto(address)
        page.get_by_role("listitem").nth(1).click()  # the first is never active
        page.locator(".line").first.wait_for()
        page.locator(".helps, .hurts").nth(3).wait_for()  # effects come by themselves
        page.goto(f"{address}#/prompt")
        page.get_by_label("Prompt").fill("a cat sat")
        page.get_by_role("button", name="Run the model").click()
        page.locator(".firing", has_text="fires on cat").wait_for()
        page.get_by_label("Order").select_option("effect")
        page.locator(".firing", has_text="fires on cat").wait_for()
        assert page.get_by_label("Order").input_value() == "effect"
        page.evaluate("location.hash = '/latent/99'")
        page.get_by_text("there is no latent 99: the database has 12").wait_for()
        errors = [mishap for mishap in watched.mishaps if not mishap.startswith(f"request: {address}") and "400" not in mishap]
        assert errors == []
