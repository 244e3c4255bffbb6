"""The frames as text: self-contained, and no string leaves its place."""

import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from views.extremes import HOSTILE
from views.sample import sample_document, sample_drawings

from sonde.results.document import Document, Section
from sonde.results.drawing import tokens
from sonde.views import BundleMissing, assets, frames, notebook, page

hostile_text = st.one_of(st.sampled_from(HOSTILE), st.text(), st.text(alphabet="<>/!-&\"'\\script\u2028\u2029\ud800"))


@pytest.fixture
def stub_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames around an empty bundle: what is tested here is what Python writes."""
    monkeypatch.setattr(frames, "asset", lambda name: "")


@pytest.fixture(scope="module")
def bundle() -> None:
    try:
        assets.asset("sonde.js")
    except BundleMissing as missing:
        pytest.skip(str(missing))


def data_of(source: str) -> dict:
    (content,) = re.findall(r'<script type="application/json" id="sonde-data">(.*?)</script>', source, flags=re.DOTALL)
    return json.loads(content)


@given(hostile_text)
def test_text_stays_inside_its_script_tag(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "asset", lambda name: "")
        source = page(Document(text, text, [(text, text)], [Section("s", text, text, [tokens(text, text, [text], [1.0])])], text))
    assert source.lower().count("<script") == 2
    assert source.lower().count("</script") == 2
    assert source.count("<!--") == 0
    data = data_of(source)
    assert data["title"] == data["sections"][0]["drawings"][0]["data"]["tokens"][0] == text
    source.encode("utf-8")


@given(hostile_text)
def test_a_notebook_frame_is_one_element(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "asset", lambda name: "")
        frame = notebook(tokens(text, text, [text], [1.0]))._repr_html_()
    (attributes,) = re.findall(r"^<iframe ([^<>]*)></iframe>$", frame)
    inner = html.unescape(re.findall(r'srcdoc="([^"]*)"', attributes)[0])
    assert data_of(inner)["data"]["tokens"] == [text]


@pytest.mark.usefixtures("stub_bundle")
def test_the_policy_lets_nothing_in() -> None:
    source = page(sample_document())
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', source)[0]
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "http" not in policy


@pytest.mark.usefixtures("bundle")
def test_the_bundle_is_small_and_ends_no_tag() -> None:
    script, style = assets.asset("sonde.js"), assets.asset("sonde.css")
    assert len(script) + len(style) < 160_000
    assert "</script" not in script.lower()
    assert "<!--" not in script
    assert "</style" not in style.lower()
    assert not re.search(r"url\(|@import", style)


@pytest.mark.usefixtures("bundle")
def test_a_page_for_64_tokens_is_small() -> None:
    words = [f" word{i}" for i in range(64)]
    strips = [tokens("t", "u", words, [i / 7 for i in range(64)]) for _ in range(20)]
    document = Document("t", sections=[Section("s", "s", drawings=[*strips, *sample_drawings().values()])])
    assert len(page(document).encode()) < 3_000_000


def test_a_missing_bundle_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(assets, "files", lambda package: tmp_path)
    assets.asset.cache_clear()
    with pytest.raises(BundleMissing, match="reinstall sonde") as refusal:
        page(sample_document())
    assert "\n" not in str(refusal.value)
