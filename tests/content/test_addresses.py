"""A link from one file to another leads to the address that the other is published at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from newsletter.content.addresses import head_of, page_address


@pytest.mark.parametrize(
    ("name", "head", "address"),
    [
        ("issues/007-evals.md", "---\nnumber: 7\n---\n", "/evals/"),
        ("issues/007-evals.md", "---\nnumber: 7\nslug: evals-in-ci\n---\n", "/evals-in-ci/"),
        ("issues/007-evals.md", '---\r\nslug: "evals-in-ci"\r\n---\r\n', "/evals-in-ci/"),
        ("issues/007-evals.md", "---\nnumber: 7\n---\nslug: in-the-text\n", "/evals/"),
        ("issues/007.md", "---\nnumber: 7\n---\n", "/issue-7/"),
        ("issues/guides/4-bit-vs-8-bit.md", "---\ntype: guide\n---\n", "/guides/4-bit-vs-8-bit/"),
        ("issues/guides/rag.md", "---\ntype: guide\nslug: rag-or-not\n---\n", "/guides/rag-or-not/"),
        ("issues/rag.md", "---\ntype: guide\n---\n", "/guides/rag/"),
    ],
)
def test_the_address_is_the_one_the_file_is_published_at(
    tmp_path: Path, name: str, head: str, address: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_bytes(head.encode())
    assert page_address(path) == address


@pytest.mark.parametrize("name", ["012-later.md", "nul\x00byte.md", "a" * 300 + ".md"])
def test_a_file_that_is_not_there_goes_by_its_name(tmp_path: Path, name: str) -> None:
    assert page_address(tmp_path / name).strip("/") in {"later", "nul-byte", "nulbyte", "a" * 300}


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to a pipe", "link to nothing"])
def test_nothing_is_waited_for_where_a_file_should_be(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "004-f.md"
    if kind == "folder":
        path.mkdir()
    elif kind.startswith("link"):
        path.symlink_to(tmp_path / "other")
    if kind.endswith("pipe"):
        os.mkfifo(tmp_path / "other" if path.is_symlink() else path)
    with pytest.raises(OSError, match="No such file" if kind.endswith("nothing") else "ordinary file"):
        head_of(path)
    assert page_address(path) == "/f/"
