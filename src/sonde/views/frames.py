"""The HTML frames around the drawings: a report page, a notebook cell, and the pages of features.

Each is one self-contained file: the bundle and the data stand inline, and the content security policy refuses everything else, so that
none makes a network request. (Pages that a server sends may ask that server, and no other.) Text reaches the page only as JSON inside a data
block, and the script writes it as text, never as markup.
"""

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sonde.results.document import Document
from sonde.results.drawing import Drawing
from sonde.views.assets import asset

SCRIPT = "<script>"
"""Where the one script that runs begins: nothing before it can hold this text, because data escapes `<`."""


def page(document: Document) -> str:
    """Give a document as one self-contained HTML file.

    Raises:
        BundleMissing: this installation was built without the drawings.
    """
    return _frame(document.title.replace("`", ""), "document", document.to_json())


def notebook(drawing: Drawing) -> "Notebook":
    """Give a drawing as an object that notebooks display: an isolated frame that needs no network and no extension.

    Raises:
        BundleMissing: this installation was built without the drawings.
    """
    title = drawing.title.replace("`", "")
    return Notebook(title, _frame(title, "drawing", drawing.to_json()), _height(drawing))


@dataclass(frozen=True)
class Notebook:
    """A drawing in a frame of its own: what it holds can neither reach the notebook nor be restyled by it."""

    title: str
    source: str
    height: int

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="{_attribute(self.title)}" srcdoc="{_attribute(self.source)}" sandbox="allow-scripts allow-downloads" '
            f'style="width:100%;height:{self.height}px;border:0;resize:vertical;overflow:auto"></iframe>'
        )


def browser(title: str, data: Any, blocks: Iterable[tuple[str, str]] = (), served: bool = False) -> Iterator[str]:
    """Give the pages of features as one HTML file, piece by piece, because it may be long.

    Arguments:
        title: of the window.
        data: what the pages hold from the start, as JSON's own types.
        blocks: name and base64 of what is opened later.
        served: whether the pages may ask the server that they came from.

    Raises:
        BundleMissing: this installation was built without the drawings.
    """
    head, foot = _frame(title, "features", data, "features", "; connect-src 'self'" if served else "").split(SCRIPT, 1)
    yield head
    for name, content in blocks:
        yield f'<script type="text/plain" id="{_attribute(name)}">{_attribute(content)}</script>\n'
    yield SCRIPT + foot


def _frame(title: str, mode: str, data: Any, bundle: str = "sonde", more: str = "") -> str:
    script = asset(f"{bundle}.js")
    policy = f"default-src 'none'; script-src '{_hash(script)}'; style-src 'unsafe-inline'; img-src data:{more}"
    return (
        "<!doctype html>\n"
        f'<html lang="en" data-frame="{mode}">\n'
        '<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_attribute(title)}</title>\n"
        f"<style>{asset(f'{bundle}.css')}</style>\n"
        '<body><div id="sonde"><noscript>These drawings need JavaScript; no network.</noscript></div>\n'
        f'<script type="application/json" id="sonde-data">{_script_json(data)}</script>\n'
        f"{SCRIPT}{script}</script>\n"
        "</body></html>\n"
    )


def _script_json(data: Any) -> str:
    """JSON that cannot end its script tag: ASCII only (so no U+2028 either), and `<` escaped."""
    return json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _attribute(text: str) -> str:
    """Text for an attribute or a title; a lone surrogate, which no file can hold, becomes a replacement mark."""
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _height(drawing: Drawing) -> int:
    """A first guess in pixels (a sandboxed frame cannot tell its height); the reader may drag it, and what is beyond it scrolls."""
    frame, line = 190, 30
    if drawing.kind in ("tabs", "beside"):
        heights = [_height(Drawing(**part["drawing"])) for part in drawing.data["parts"]]
        return min(frame // 2 + (max(heights) if drawing.kind == "tabs" else sum(heights)), 900)
    match drawing.kind:
        case "tokens":
            lines = 1 + len(drawing.data["tokens"]) // 10
        case "matrix" | "lens":
            lines = 5 + len(drawing.axes["row"]["labels"])
        case "bars" | "waterfall":
            lines = 2 + len(drawing.data["labels"])
        case "attention":
            lines = 10 + len(drawing.data["heads"]) // 4
        case "head_grid":
            lines = 5 + len(drawing.axes["row"]["labels"]) + (12 if "attention" in drawing.data else 0)
        case "lines":
            lines = 10
        case "rose":
            lines = 14 if drawing.data["together"] else 8 * -(-len(drawing.data["series"]) // 5)
        case "scatter":
            lines = 12
        case "violins":
            lines = 2 + 2 * len(drawing.data["labels"])
        case "swap":
            lines = 2 + 2 * len(drawing.data["alternatives"]) + len(drawing.data["tokens"]) // 10
        case "overlay":
            lines = 15
        case "overlays" | "picture_grid":
            lines = 15 + 3 * len(drawing.axes["row"]["labels"])
        case "circuit_graph" | "circuit_pair":
            lines = 8 + 2 * len(drawing.axes["row"]["labels"])
        case "verdicts":
            lines = 8 + 2 * len(drawing.data["verdicts"])
        case "table":
            lines = 1 + len(drawing.data["rows"])
    return min(frame + line * lines, 720)
