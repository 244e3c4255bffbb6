"""How fast the pages of many features are in a browser: listed, searched, filtered, sorted, opened. Needs Playwright and a Chromium.

python -m bench.feature_pages [LATENTS]

The database is made up: texts of random words, each latent active on one of them; forty pages of full size stand for all. The times are what a
reader waits for: from the action until the browser has painted what it asks for, the median of some repeats; the whole file is opened from disk.
"""

import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sonde.features import pages, records
from sonde.views import browser

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from polars import DataFrame

REPEATS = 7
DIFFERENT = 40
PAINTED = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))"


class MadeUp:
    """As many latents as are wanted, each with full-sized examples.

    Arguments:
        size: how many.
    """

    def __init__(self, size: int) -> None:
        self.size, self.draw = size, random.Random(0)
        self.words = [" " + "".join(self.draw.choices("abcdefghiklmnoprstuv", k=self.draw.randint(2, 8))) for _ in range(8000)]

    def about(self) -> records.About:
        """What is made up."""
        return records.About(
            model="made up", model_hash="", site="nowhere", basis=f"MadeUp({self.size})", basis_hash="", size=self.size, corpus="random words",
            sequences=1000, tokens=128_000, left_out="",
        )  # fmt: skip

    def table(self, *, limit: int | None = None) -> "DataFrame":
        """Ten statistics of each."""
        import polars as pl

        draw = random.Random(1)
        names = (
            "firings",
            "density",
            "mean",
            "mean_active",
            "minimum",
            "maximum",
            "logit_top",
            "logit_bottom",
            "neuron_share",
            "nearest_cosine",
            "score",
        )
        return pl.DataFrame({"latent": range(self.size), **{name: [draw.random() for _ in range(self.size)] for name in names}})

    def record(self, latent: int) -> records.Record:
        """Seventy examples of 26 tokens."""
        draw = random.Random(latent)
        word = self.words[latent % len(self.words)]
        weights = [records.Weight(token=token, value=round(draw.gauss(0, 1), 3)) for token in draw.choices(self.words, k=10)]
        counts = [draw.randint(0, 99) for _ in range(50)]
        neighbour = records.Neighbour(latent=(latent + 1) % self.size, label=word, cosine=0.3, correlation=0.2)
        return records.Record(
            latent=latent, label=word, statistics={"density": 0.01, "maximum": 9.0, "score": 0.8},
            descriptions=[records.Description(text=f"the word{word}", author="x", scores={"detection": 0.8}, controls={"detection": 0.5}, note="")],
            histogram=records.Histogram(low=0, high=9, counts=counts),
            logits=records.Logits(top=weights, bottom=weights, histogram=records.Histogram(low=-1, high=1, counts=counts)),
            strongest=[self.example(draw, word) for _ in range(20)],
            intervals=[
                records.Interval(low=0.9 * i, high=0.9 * i + 0.9, share=0.1, highest=0.9 * i, examples=[self.example(draw, word) for _ in range(5)])
                for i in reversed(range(10))
            ],
            alignment=[records.Neuron(neuron=i, value=0.1, other=0.02) for i in range(5)], neurons=[], neurons_at="", nearest=[neighbour] * 8,
            correlated=[neighbour] * 5, parallel={}, positions=records.Profile(edges=[0, 64, 128], density=[0.01, 0.02]), heads=[], properties=[],
        )  # fmt: skip

    def example(self, draw: random.Random, word: str) -> records.Example:
        """A context around the word."""
        tokens = [*draw.choices(self.words, k=15), word, *draw.choices(self.words, k=10)]
        values = [0.0] * 15 + [round(9 * draw.random(), 3)] + [0.0] * 10
        return records.Example(sequence=draw.randrange(1000), position=15, start=0, tokens=tokens, values=values, again=False)


def waited(page: "Page", action: str, before: str = "() => {}") -> tuple[float, float]:
    """Milliseconds from an action in the page until its result is painted, and of the processor in the page's thread: medians of some repeats.

    Where other programs want the cores too, the first says little and the second is still true.

    Arguments:
        page: in the browser.
        action: JavaScript; `n` is the number of the repeat; what it awaits counts.
        before: a function that is called before each repeat and does not count.
    """
    script = f"async n => {{ const start = performance.now(); {action}; await ({PAINTED})(); return performance.now() - start; }}"
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def processor() -> float:
        return next(1000 * one["value"] for one in session.send("Performance.getMetrics")["metrics"] if one["name"] == "TaskDuration")

    walls, processors = [], []
    for n in range(REPEATS):
        page.evaluate(before)
        start = processor()
        walls.append(page.evaluate(script, n))
        processors.append(processor() - start)
    return statistics.median(walls), statistics.median(processors)


def measure(path: Path) -> dict[str, tuple[float, float]]:
    """The times of one file, in milliseconds.

    Arguments:
        path: of the file.
    """
    from playwright.sync_api import sync_playwright

    program = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--headless", "--no-sandbox", "--disable-gpu"])
        page = chromium.new_page(viewport={"width": 1400, "height": 900})
        start = time.perf_counter()
        page.goto(path.as_uri())
        page.evaluate(PAINTED)
        print(f"load the whole file, then list: {time.perf_counter() - start:.1f} s")
        found = {}
        typed = "const box = document.querySelector('[data-search]'); box.value = {}; box.dispatchEvent(new Event('input'))"
        found["search"] = waited(page, typed.format("String.fromCharCode(97 + n)"))
        page.evaluate("() => { " + typed.format("''") + " }")
        found["sort"] = waited(page, "document.querySelectorAll('.row.head .figure button')[n % 3].click()")
        page.get_by_label("Filter by a statistic").select_option("density")
        found["filter"] = waited(
            page, "const low = document.querySelector('.filter input'); low.value = n / 10; low.dispatchEvent(new Event('input'))"
        )
        found["scroll to anywhere"] = waited(page, "const list = document.querySelector('.scroller'); list.scrollTop = list.scrollHeight * n / 8")
        opened = "const old = document.querySelector('.view'); location.hash = `/latent/${100 + n}`; "
        opened += "while (document.querySelector('.view') === old || !document.querySelector('.line')) "
        found["open a feature"] = waited(page, opened + "await new Promise(done => setTimeout(done, 1))")
        # every repeat goes away again before the next one begins
        back = "location.hash = '/list'; while (!document.querySelector('.view.list .row:not(.head)')) await new Promise(done => setTimeout(done, 1))"
        found["back to the list"] = waited(page, back, f"async () => {{ location.hash = '/latent/7'; await ({PAINTED})(); await ({PAINTED})(); }}")
        chromium.close()
    return found


def main(size: int = 16_000) -> None:
    """Print the file's size and the times."""
    with tempfile.TemporaryDirectory() as folder:
        made = MadeUp(size)
        some = [made.record(latent) for latent in range(DIFFERENT)]
        rows = {latent: pages.row_of(some[latent % DIFFERENT]) for latent in range(size)}
        kept = [pages.held(record, None) for record in some]
        path = Path(folder) / "pages.html"
        with path.open("w", encoding="utf-8") as file:
            blocks = ((f"latent-{latent}", kept[latent % DIFFERENT]) for latent in range(size))
            file.writelines(browser("made up", pages.site(made, rows, "made up", {}), blocks))
        print(f"{size:,} features: {path.stat().st_size / 1e6:.1f} MB")
        one = pages.export(MadeUp(size), Path(folder) / "one.html", [1])
        print(f"one feature by itself: {one.stat().st_size / 1e3:.0f} kB")
        for name, (wall, processor) in measure(path).items():
            print(f"{name}: {wall:.0f} ms, {processor:.0f} ms of processor")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
