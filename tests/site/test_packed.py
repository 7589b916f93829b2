"""Files packed beforehand: the same words, the same bytes from run to run, never older than what they are forms of."""

from __future__ import annotations

import gzip
from dataclasses import replace

import brotli
import pytest

from tests.site.conftest import Newsletter, issue, tree


@pytest.fixture
def packing(newsletter: Newsletter) -> Newsletter:
    newsletter.options = replace(newsletter.options, precompress=("gzip", "br"))
    assert newsletter.build().replaced
    return newsletter


def test_every_page_style_and_feed_has_its_packed_forms(packing: Newsletter) -> None:
    files = tree(packing.out)
    named = {name for name in files if name.endswith((".html", ".css", ".xml", ".json", ".md"))}
    large = {name for name in named if len(files[name]) >= 1_000}
    assert {"index.html", "first/index.html", "atom.xml", "feed.json", "sitemap.xml"} <= large
    for name in large:
        assert gzip.decompress(files[f"{name}.gz"]) == files[name]
        assert brotli.decompress(files[f"{name}.br"]) == files[name]
        assert len(files[f"{name}.br"]) < len(files[f"{name}.gz"]) < len(files[name])
    assert {name.rpartition(".")[0] for name in files if name.endswith((".gz", ".br"))} == large


def test_packed_forms_are_the_same_in_every_build(packing: Newsletter) -> None:
    assert packing.fresh() == tree(packing.out)
    packing.write("001-first.md", issue(1, "Another first"))
    assert packing.build().replaced
    assert packing.fresh() == tree(packing.out)
    for path in packing.out.rglob("*.gz"):
        assert path.stat().st_mtime_ns >= path.with_suffix("").stat().st_mtime_ns, path


def test_what_stayed_is_not_packed_again(packing: Newsletter, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    compress = gzip.compress

    def counted(data: bytes, **options: int) -> bytes:
        done.append(len(data))
        return compress(data, **options)

    monkeypatch.setattr(gzip, "compress", counted)
    packing.write("001-first.md", issue(1, "The first").replace("Body.", "Other words."))
    assert packing.build().replaced
    # Its page, its twin, the feeds, and lists that are written with them.
    assert 1 <= len(done) <= 8
    assert not packing.build().replaced


def test_packed_forms_go_when_nobody_wants_them(packing: Newsletter) -> None:
    packing.options = replace(packing.options, precompress=("gzip",))
    assert packing.build().replaced
    assert not list(packing.out.rglob("*.br"))
    assert (packing.out / "index.html.gz").is_file()
    packing.options = replace(packing.options, precompress=())
    assert packing.build().replaced
    assert not list(packing.out.rglob("*.gz"))


def test_nothing_is_packed_unless_asked_for(newsletter: Newsletter) -> None:
    assert newsletter.build().replaced
    assert not list(newsletter.out.rglob("*.gz"))
