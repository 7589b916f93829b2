"""What the rules on words, links and pictures leave alone: every sentence here was written by somebody in good faith."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.checks.run import check_guide_text, check_text

GOOD = (Path(__file__).parent.parent / "cases" / "NL823" / "good.md").read_text("utf-8")
GUIDE = (Path(__file__).parent.parent / "cases" / "NL501" / "good.md").read_text("utf-8")
INTRO = "![A question passes two lanes, then a reranker](images/lanes.png)"


def codes(body: str = "Hello.", **front: str) -> list[str]:
    text = GOOD.replace(INTRO, body)
    for key, value in front.items():
        line = next(line for line in text.splitlines() if line.startswith(key))
        text = text.replace(line, f"{key}: {value}", 1)
    return [d.code for d in check_text(text, "001-a.md")[1]]


@pytest.mark.parametrize(
    "body",
    [
        "She said that that was all they had had.",
        "It is what it is; on and on and on.",
        "Alle, die die Grundlagen kennen, wissen, dass das das Ziel ist und sie sie messen; hier nous nous, o\u00f9 vous vous.",
        "Keep a TODO list, count TODO comments, and call the droid TK-421.",
        "| a | a |\n|---|---|\n| the | the |\n| the | x |",
        "- The\n- the",
        "`the the`, `this is not spam`, `whitelist` and `https://example.com`",
        "```text\nthe the https://example.com act now\n```",
        "The master branch, a slave to fashion, a grandfather clock.",
        "[Two](https://arxiv.org/abs/1) and [two](https://arxiv.org/abs/1/).",
        "[The notes][notes]\n\n[notes]: https://arxiv.org/abs/1",
        "A page of their own <https://arxiv.org/abs/1?v=2>, and a [query](https://arxiv.org/?utm=1&q=gclid).",
        "[Here is the paper](https://arxiv.org/abs/1), and here it isn't.",
        "In 2019 this was new. Since 2023 it is not; this year's 2,024 issues show it.",
        "Copyright law of 1976 and © alone.",
        "Caf\u00e9, na\u00efve, \U0001f469\u200d\U0001f4bb, \u0646\u0645\u06cc\u200c\u062f\u0627\u0646\u0645, \u65e5\u672c\u8a9e\u3002",
        "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0\u306f\u5358\u8a9e\u3092\u7a7a\u767d\u3067\u533a\u5207\u3089\u306a\u3044\u3002 "
        * 200,
        "[call](tel:+49301234), [write](mailto:a@field-notes.dev?subject=a%20b), [tell](mailto:?subject=x)",
        "[x] (see below), f(x)[0], [a] (b)",
        "5 * 3 = 15 | 7\n\nA | B",
        "-----\n\nText | text\n\n- - -",
    ],
)
def test_good_sentences_are_left_alone(body: str) -> None:
    assert codes(body) == []


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ("#concept", ["NL817"]),
        ("#follow-ups", ["NL817"]),
        ("#fn:1", ["NL817"]),
        ("#concpet", ["NL518"]),
        ("#Rank-fusion", ["NL518"]),
    ],
)
def test_a_link_within_an_issue_leads_to_a_part_of_its_page(anchor: str, expected: list[str]) -> None:
    assert codes(f"[over there]({anchor})") == expected


@pytest.mark.parametrize(
    "title",
    ["RAG, BM25 AND TF-IDF", "Reading list: five papers", "What is C++?", "Why? Because.", "Rank \u2192 fusion \u2713", "Re-ranking", "$100 a day"],
)  # fmt: skip
def test_good_subjects_are_left_alone(title: str) -> None:
    found = codes(title=f'"{title}"')
    assert found == ([] if not title.isupper() else found)
    assert "NL803" not in found


def test_the_words_of_a_guide_are_checked_and_what_only_a_mail_has_is_not() -> None:
    mark = "## Comparison"
    text = GUIDE.replace(
        mark, f"The the end, [the answer](#comparison) is [here](https://bit.ly/x).\n\n{mark}", 1
    )
    text = text.replace("title: ", "title: FREE MONEY FOR EVERYBODY!! ", 1)
    found = [d.code for d in check_guide_text(text, "b.md")[1]]
    assert {"NL819", "NL812"} <= set(found)
    assert not {"NL801", "NL804", "NL805", "NL817"} & set(found)


@pytest.mark.parametrize(
    "hostile",
    ["[" * 20_000, "a b " * 20_000, "the " * 20_000, "| - " * 20_000, "http://" * 10_000, "(" * 9_000 + ")[http", "[a] (" * 9_000, "\u200b" * 50_000, "|-\n" * 20_000, "this year " * 9_000, "http://a.b " * 40_000, "[a](http://a.b) http://c.d " * 20_000, " ".join(f"a{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)} " * 2 for n in range(15_000)), "whitelist [a](b) " * 20_000, "the\n" * 40_000],
)  # fmt: skip
def test_no_text_keeps_the_rules_busy(hostile: str) -> None:
    import time

    started = time.process_time()
    codes(hostile)
    assert time.process_time() - started < 5
