"""Save to visible: how long after a write is the change on the screen, and what is it made of?

In one run, on one copy of a real issue of this repository: the floor (a write until watchfiles tells
of it), the build (reading to the finished message), and the whole way until Chromium has painted the
change. Run it by hand: `.venv/bin/python tests/benchmarks/preview.py [ROUNDS] [--peers DIR]`; the last also
measures react-email and Maizzle, installed from npm into DIR.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from watchfiles import watch

if __name__ == "__main__":
    # Run as a script: the root of the repository, for `tests`.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from newsletter.app import open_workspace
from newsletter.preview.build import Builder
from newsletter.preview.picture import Picture
from newsletter.preview.server import PreviewServer
from newsletter.preview.studio import open_studio
from newsletter.preview.watch import Watcher
from tests.benchmarks.preview_peers import PEERS, measure

ROOT = Path(__file__).parents[2]
ISSUE = "001-rag-or-fine-tuning.md"
MARK = "The difference is practical"

# In the page: note the first animation frame in which the mail holds the mark, then wait until that
# frame has been painted: a message posted inside a frame callback is delivered after the paint.
SEEN = """mark => { window.seen = new Promise(resolve => {
  const look = () => {
    const body = document.getElementById("frame").contentDocument?.body;
    if (body?.textContent.includes(mark)) {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => resolve(performance.timeOrigin + performance.now());
      channel.port2.postMessage(null);
    } else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}); }"""


def scratch(folder: Path) -> Path:
    """A newsletter with the repository's own issues."""
    shutil.copytree(ROOT / "issues", folder / "issues")
    (folder / "newsletter.toml").write_text(
        'name = "Production AI Notes"\nfrom = "Notes <notes@example.com>"\n'
        'postal_address = "1 Example Street"\nbase_url = "https://notes.example.com"\n'
    )
    return folder / "issues" / ISSUE


def floor(path: Path, text: str, rounds: int) -> list[float]:
    """Milliseconds from before a write until watchfiles, in the preview's own setting, tells of it."""
    told = threading.Event()
    stop = threading.Event()

    def wait() -> None:
        for _ in watch(path.parent, step=5, debounce=40, stop_event=stop, raise_interrupt=False):
            told.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    time.sleep(0.3)
    times = []
    for number in range(rounds):
        told.clear()
        started = time.perf_counter()
        path.write_text(text.replace(MARK, f"{MARK} floor {number}", 1))
        told.wait(5)
        times.append((time.perf_counter() - started) * 1000)
        time.sleep(0.15)
    stop.set()
    thread.join()
    return times


def builds(home: Path, path: Path, text: str, rounds: int) -> list[float]:
    """Milliseconds of a build after an edit of one section, alone."""
    builder = Builder(open_workspace(home))
    builder.build(path)
    times = []
    for number in range(rounds):
        path.write_text(text.replace(MARK, f"{MARK} build {number}", 1))
        result = builder.build(path)
        assert isinstance(result, Picture)
        times.append(result.took * 1000)
    return times


def saves(page: Page, path: Path, text: str, rounds: int) -> list[float]:
    """Milliseconds from before a write until the change is painted."""
    times = []
    for number in range(rounds):
        mark = f"{MARK} save {number}."
        page.evaluate(SEEN, mark)
        page.wait_for_timeout(150)
        started = time.time()
        path.write_text(text.replace(MARK, mark, 1))
        times.append(page.evaluate("window.seen") - started * 1000)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description="Save to visible.")
    parser.add_argument("rounds", nargs="?", type=int, default=20)
    parser.add_argument("--peers", type=Path)
    asked = parser.parse_args()
    rounds = asked.rounds
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        path = scratch(home)
        text = path.read_text()
        measured = {"write → watchfiles (floor)": floor(path, text, rounds)}
        measured["build after an edit"] = builds(home, path, text, rounds)
        studio = open_studio(open_workspace(home))
        server = PreviewServer(studio, Watcher(home, [], studio.changed))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(server.url_of(path.stem))
            page.frame_locator("#frame").get_by_text(MARK).first.wait_for()
            saves(page, path, text, 3)  # warm
            measured["save → visible in Chromium"] = saves(page, path, text, rounds)
            page.close()
            for peer in PEERS if asked.peers else ():
                measured[f"the same in {peer.name}"] = measure(peer, asked.peers, browser, rounds)
            browser.close()
        server.stop()
        thread.join()
    for name, times in measured.items():
        ordered = sorted(times)
        p90 = ordered[min(len(ordered) - 1, round(len(ordered) * 0.9))]
        print(f"{name:28} median {statistics.median(times):6.1f} ms   p90 {p90:6.1f} ms   ({rounds} rounds)")
    whole = statistics.median(measured["save → visible in Chromium"])
    lowest = statistics.median(measured["write → watchfiles (floor)"])
    build = statistics.median(measured["build after an edit"])
    for name, times in measured.items():
        if name.startswith("the same"):
            print(f"{name}: {statistics.median(times) / whole:.1f} times as long")
    print(f"ratio to the floor {whole / lowest:.1f}; the build is {build / whole:.0%} of the whole")


if __name__ == "__main__":
    main()
