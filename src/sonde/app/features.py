"""What the pages of features ask: GET only, JSON, of a database that is never written.

| address | answer |
| --- | --- |
| `/` | the pages, with the list in them |
| `/api/latents/7` | a `Record` |
| `/api/latents/7/effects` | its `Effects`; runs the model |
| `/api/active?text=...&by=activation` | an `Active`, also `by=effect`; runs the model |

Requests that name another host than this machine, or that another site's page makes, are refused: nothing on the web can read the database, or make
the model run, through the reader's browser.
"""

from typing import TYPE_CHECKING, Any, Literal, Protocol

from sonde.features.pages import Extras, lines, rounded, site
from sonde.features.records import About, Active, Effects, Record
from sonde.results import InputError, SondeError
from sonde.views import browser

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from polars import DataFrame

    from sonde.access import Model

HOSTS = ["127.0.0.1", "localhost"]
OWN = (None, "same-origin", "none")
LONGEST = 8_000
"""Characters of a prompt."""
MOST = {"activation": 400, "effect": 60}
"""Latents of a prompt: effects take a run of the model each."""
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Database(Protocol):
    """What is asked of a feature database."""

    def about(self) -> About:
        """What was collected."""
        ...

    def table(self, *, limit: int | None) -> "DataFrame":
        """A row of statistics for each latent."""
        ...

    def record(self, latent: int) -> Record:
        """All about one latent."""
        ...

    def effects(self, model: "Model", latent: int) -> Effects:
        """What one latent does in its examples."""
        ...

    def active(self, model: "Model", prompt: str, by: Literal["activation", "effect"], most: int) -> Active:
        """Which latents are active on a prompt."""
        ...


def application(features: Database, model: "Model | None" = None, *, title: str = "Features", extras: Extras | None = None) -> "FastAPI":
    """What answers a browser.

    Arguments:
        features: the database, with its basis where a model is given.
        model: the model that it was collected from; without it there are neither effects nor the reader's own prompts.
        title: of the pages.
        extras: comparisons, sizes, a map and prompts, made beforehand.

    Raises:
        InputError: FastAPI is not installed. BundleMissing: this installation was built without the drawings.
    """
    fastapi = _fastapi()
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import HTMLResponse, JSONResponse

    asks = ["latents", *(["effects", "prompt"] if model is not None else [])]
    pages = "".join(browser(title, site(features, lines(features, range(features.about()["size"])), title, extras or {}, asks), served=True)).encode()
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def guarded(request: "Request", answer: Any) -> Any:
        """Only this server's own pages ask; nothing is kept by anyone."""
        if request.headers.get("sec-fetch-site") not in OWN:
            return JSONResponse({"error": "this server answers its own pages only"}, 403)
        response = await answer(request)
        response.headers.update(HEADERS)
        return response

    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)

    @app.exception_handler(SondeError)
    def refused(request: "Request", error: SondeError) -> JSONResponse:
        """A mistake, in its one line."""
        return JSONResponse({"error": str(error)}, 400)

    @app.get("/", response_class=HTMLResponse)
    def start() -> HTMLResponse:
        return HTMLResponse(pages)

    @app.get("/api/latents/{latent}")
    def one(latent: int) -> Any:
        return JSONResponse(rounded(features.record(latent)))

    if model is not None:

        @app.get("/api/latents/{latent}/effects")
        def effects(latent: int) -> Any:
            return JSONResponse(rounded(features.effects(model, latent)))

        @app.get("/api/active")
        def active(text: str, by: Literal["activation", "effect"] = "activation") -> Any:
            if len(text) > LONGEST:
                return JSONResponse({"error": f"a prompt of {len(text):,} characters: give at most {LONGEST:,}"}, 400)
            return JSONResponse(rounded(features.active(model, text, by, MOST[by])))

    return app


def _fastapi() -> Any:
    try:
        import fastapi
    except ModuleNotFoundError:
        raise InputError("the server needs FastAPI: install it with pip install 'sonde[app]', or export the pages as a file") from None
    return fastapi
