"""Scripts without spaces between words: any part of a run of letters is found, and none is cut in the middle."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from newsletter.site.index import MATCH_BEGINS, MATCH_ENDS, SearchIndex
from newsletter.site.retrieval import Retriever
from newsletter.site.unspaced import BETWEEN, letters_apart, overlapping_pieces
from tests.site.conftest import Newsletter, issue
from tests.site.test_passages import files_of, index_of

TEXTS = {
    "thai": "การค้นหาแบบผสมใช้ทั้งคำสำคัญและความหมายของข้อความ จึงพบเอกสารที่ใช้คำต่างกันได้",
    "thai-training": "การปรับแต่งโมเดลต้องใช้ตัวอย่างหลายร้อยชุด และต้องทดสอบใหม่ทุกครั้งที่เปลี่ยนรุ่น",
    "lao": "ການຄົ້ນຫາເອກະສານໃນຄັງຂໍ້ມູນຂອງພວກເຮົາງ່າຍຫຼາຍ",
    "khmer": "ការស្វែងរកឯកសារនៅក្នុងបណ្ណសាររបស់យើងគឺងាយស្រួលណាស់",
    "burmese": "မြန်မာဘာသာဖြင့်ရှာဖွေခြင်းသည်အလွန်လွယ်ကူပါသည်",
    "hindi": "हिन्दी में लेख खोजना बहुत आसान है।",
    "arabic": "شكرًا لكل من كَتَبَ إلينا هذا الأسبوع.",
    "hebrew": "שָׁלוֹם לכל הקוראים.",
    "decomposed": "か\u3099くしゅうテ\u3099ータと \u1112\u1161\u11ab\u1100\u1173\u11af",
    "chinese": "混合检索把关键词检索和向量检索的结果合并在一起。",
    "japanese": "評価は毎回同じ質問で行い、変わった答えだけを数えます。",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SearchIndex:
    """One issue for each of `TEXTS`."""
    return index_of(tmp_path_factory.mktemp("unspaced"), TEXTS, "th")


@pytest.mark.parametrize(
    ("words", "slug"),
    [
        ("ค้นหา", "thai"),
        ("ความหมาย", "thai"),
        ("ข้อความ", "thai"),
        ("ตัวอย่าง", "thai-training"),
        ("ເອກະສານ", "lao"),
        ("ຂໍ້ມູນ", "lao"),
        ("ស្វែងរក", "khmer"),
        ("បណ្ណសារ", "khmer"),
        ("ရှာဖွေ", "burmese"),
        ("ဘာသာ", "burmese"),
        ("हिन्दी", "hindi"),
        ("खोज", "hindi"),
        ("がくしゅう", "decomposed"),
        ("한글", "decomposed"),
        ("向量检索", "chinese"),
    ],
)
def test_a_word_is_found_wherever_in_a_run_of_letters_it_stands(
    index: SearchIndex, words: str, slug: str
) -> None:
    results = index.search(words)
    assert [hit.passage.id for hit in results.hits] == [f"{slug}#concept"]
    assert (results.loosened, results.instead) == (False, "")
    assert f"{MATCH_BEGINS}{words}" in results.hits[0].snippet


@pytest.mark.parametrize(
    ("words", "slug"),
    [
        ("شكرا", "arabic"),
        ("شُكرًا", "arabic"),
        ("كتب", "arabic"),
        ("שלום", "hebrew"),
        ("שָׁלוֹם", "hebrew"),
    ],
)
def test_points_may_be_left_out(index: SearchIndex, words: str, slug: str) -> None:
    assert [hit.passage.id for hit in index.search(f"{words} ").hits] == [f"{slug}#concept"]


def test_a_mistyped_word_with_marks_is_answered_with_the_nearest_one(index: SearchIndex) -> None:
    assert index.search("हिन्दि").instead == "हिन्दी"
    assert index.search("ความหมดย").instead == ""


@pytest.mark.parametrize("words", ["हनद", "คน", "နမ"])
def test_letters_with_other_vowels_are_another_word(index: SearchIndex, words: str) -> None:
    assert index.search(words).total == 0


def test_words_that_nowhere_stand_together_are_looked_for_in_parts(index: SearchIndex) -> None:
    results = index.search("ค้นหาข้อความ")
    assert results.loosened
    assert results.hits[0].passage.id == "thai#concept"
    assert index.search('"ค้นหาข้อความ"').total == 0
    assert index.search("检索向量").hits[0].passage.id == "chinese#concept"


def test_who_says_it_more_often_ranks_higher(tmp_path: Path) -> None:
    made = Newsletter(tmp_path)
    for number, text in enumerate(("ค้นหา" * 3, "การค้นหาเอกสารทีละฉบับใช้เวลานานมาก"), 1):
        made.write(f"{number:03}-number-{number}.md", issue(number, f"Number {number}", body=text))
    with SearchIndex(tmp_path / "search.db", "th") as index:
        index.update(files_of(made))
        assert [hit.passage.id for hit in index.search("ค้นหา").hits] == [
            "number-1#concept",
            "number-2#concept",
        ]


@pytest.mark.parametrize("slug", ["thai", "lao", "khmer", "burmese"])
def test_a_snippet_begins_and_ends_between_letters_as_readers_see_them(tmp_path: Path, slug: str) -> None:
    made = Newsletter(tmp_path)
    text = TEXTS[slug].replace(" ", "")
    made.write("001-long.md", issue(1, "One", body=text * 5))
    with SearchIndex(tmp_path / "search.db", "th") as index:
        index.update(files_of(made))
        letters = letters_apart(text).split(BETWEEN * 2)
        word = "".join(letters[5:9]).strip(BETWEEN)
        [hit] = index.search(word).hits
    shown = hit.snippet.replace(MATCH_BEGINS, "").replace(MATCH_ENDS, "").strip("…")
    assert hit.snippet.endswith("…")
    assert len(shown) > 60
    at = hit.passage.text.index(shown)
    assert unicodedata.category(shown[0]) == "Lo"
    assert unicodedata.category(hit.passage.text[at + len(shown)]) == "Lo"
    assert hit.passage.text[at + len(shown) - 1] not in "\u17d2\u1039"


@pytest.mark.parametrize(
    ("question", "slug"),
    [
        ("การค้นหาแบบผสมทำงานอย่างไร", "thai"),
        ("ต้องใช้ตัวอย่างกี่ชุดในการปรับแต่งโมเดล", "thai-training"),
        ("តើខ្ញុំស្វែងរកឯកសារដោយរបៀបណា", "khmer"),
        ("မြန်မာဘာသာဖြင့် ဘယ်လိုရှာဖွေရမလဲ", "burmese"),
        ("混合检索是怎么工作的？", "chinese"),
        ("評価ではどの答えを数えますか？", "japanese"),
        ("हिन्दी में लेख कैसे खोजें?", "hindi"),
    ],
)
def test_a_question_without_spaces_finds_the_passage_that_answers(
    index: SearchIndex, question: str, slug: str
) -> None:
    found = Retriever(index, "th").retrieve(question)
    assert found.answers
    assert found.hits[0].passage.id == f"{slug}#concept"


@pytest.mark.parametrize("question", ["วิธีอบขนมปังซาวร์โดว์", "今天北京的天气怎么样？", "明日の天気はどうですか"])
def test_a_question_about_something_else_is_turned_away(index: SearchIndex, question: str) -> None:
    assert not Retriever(index, "th").retrieve(question).answers


def test_pieces_overlap_and_hold_whole_letters() -> None:
    assert overlapping_pieces("น้ำแข็ง") == ["น้ำแข็", "แข็ง"]
    assert overlapping_pieces("GPTと検索する") == ["GPT", "と検", "検索", "索す", "する"]
    assert overlapping_pieces("ខ្មែរ") == ["ខ្មែរ"]
    assert overlapping_pieces("မြန်မာ") == ["မြန်", "န်မာ"]
    assert overlapping_pieces("retrieval") == ["retrieval"]
    assert overlapping_pieces("か\u3099き") == ["か\u3099き"]
