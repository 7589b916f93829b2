"""What does each panel of the studio look like? Pictures of it, as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from newsletter.content.whole_files import write_whole
from newsletter.preview.chromium import Chromium

_WIDTH, _HEIGHT = 1440, 900
# CSS pixels: Chromium draws no page higher than this.
_HIGHEST = 16_000

# File name → what stands behind the issue in the page's address.
VIEWS = {
    "email": "email",
    "email-320": "email?width=320",
    "email-375": "email?width=375",
    "email-dark": "email?scheme=dark",
    "email-inverted": "email?scheme=inverted",
    "email-recoloured": "email?scheme=recoloured",
    "email-inline-only": "email?client=plain",
    "email-word-engine": "email?client=word",
    "email-images-off": "email?images=off",
    "text": "text",
    "web": "web?width=wide",
    "message": "message",
    "findings": "findings",
    "inbox": "inbox",
    "clients": "clients",
}

_PICTURES_LOADED = """(() => {
  const frames = [...document.querySelectorAll('[role=tabpanel]:not([hidden]) iframe')];
  return frames.every(frame => [...(frame.contentDocument?.images ?? [])].every(image => image.complete));
})()"""
_WANTED_HEIGHT = """(() => {
  const panel = document.querySelector('[role=tabpanel]:not([hidden])');
  return innerHeight - panel.clientHeight + panel.scrollHeight;
})()"""
_PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"


def take_screenshots(
    browser: Chromium, page: str, key: str, folder: Path, views: Mapping[str, str] = VIEWS
) -> Iterator[Path]:
    """Write a picture of every panel, as high as what it shows; yields each file when it is there.

    Args:
        browser: to look with.
        page: the studio's address, without a fragment.
        key: the issue.
        folder: takes the pictures; those of an earlier run are replaced one by one.
        views: which, as in `VIEWS`.

    Raises:
        NewsletterError: the browser doesn't do as it is told.
        OSError: the folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    features = [
        {"name": "prefers-color-scheme", "value": "light"},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.call("Emulation.setEmulatedMedia", features=features)
    for name, view in views.items():
        _resize(browser, _HEIGHT)
        browser.call("Page.navigate", url="about:blank")
        browser.call("Page.navigate", url=f"{page}#/{key}/{view}")
        panel = view.partition("?")[0]
        browser.wait_for(f"document.documentElement.dataset.ready === '{panel}'")
        browser.wait_for(_PICTURES_LOADED)
        _resize(browser, min(_HIGHEST, max(_HEIGHT, int(browser.evaluate(_WANTED_HEIGHT)))))
        browser.evaluate(_PAINTED)
        path = folder / f"{name}.png"
        write_whole(path, browser.screenshot())
        yield path


def _resize(browser: Chromium, height: int) -> None:
    browser.call(
        "Emulation.setDeviceMetricsOverride", width=_WIDTH, height=height, deviceScaleFactor=1, mobile=False
    )
