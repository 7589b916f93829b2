"""Exports in which no status column, but another one, says who left: nobody of them is mailed again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.audience.membership import Audience
from newsletter.audience.transfer import ImportOptions, import_csv
from newsletter.model.subscriber import SubscriberStatus
from tests.audience.test_import import everyone, numbers, run

WriteCsv = Callable[..., Path]


def statuses(audience: Audience) -> dict[str, str]:
    return {email.partition("@")[0]: person.status.value for email, person in everyone(audience).items()}


def test_ghost_and_buttondown_say_who_left_in_columns_of_their_own(
    audience: Audience, csv_file: WriteCsv
) -> None:
    result = import_csv(
        audience,
        csv_file(
            "id,email,name,note,subscribed_to_emails,created_at,deleted_at,labels\r\n"
            "1,in@ghost.example,I,,true,2023-01-01T00:00:00.000Z,,\r\n"
            "2,out@ghost.example,O,,false,2023-01-01T00:00:00.000Z,,\r\n"
            "3,blank@ghost.example,B,,,2023-01-01T00:00:00.000Z,,\r\n"
            "4,gone@ghost.example,G,,true,2023-01-01T00:00:00.000Z,2024-01-01T00:00:00.000Z,\r\n"
        ),
        ImportOptions(),
    )
    assert numbers(result.counts) == (1, 0, 0, 2, 1)
    assert result.notes == ("who left is read from `subscribed_to_emails`, `deleted_at`",)
    assert statuses(audience) == {"in": "active", "out": "unsubscribed", "gone": "unsubscribed"}
    types = {
        "regular": "active", "premium": "active", "past_due": "active", "unactivated": "pending",
        "complained": "complained", "undeliverable": "bounced", "removed": "unsubscribed",
    }  # fmt: skip
    rows = "".join(f"{kind}@b.example,{kind},2024-03-13 00:03:09+00:00,\n" for kind in (*types, "novel"))
    path = csv_file(
        "email,subscriber_type,creation_date,metadata\n" + rows.replace(",\n", ",\"{'city': 'Rome'}\"\n", 1)
    )
    counts = run(audience, path)
    assert counts.rejected == 1
    assert "unknown status `novel`" in Path(counts.errors_file).read_text()
    assert types.items() <= statuses(audience).items()
    assert audience.get("regular@b.example").metadata["city"] == "Rome"


@pytest.mark.parametrize(
    ("header", "out", "stays"),
    [
        ("email_disabled", "true", "false"),
        ("Opted Out", "2024-05-01", ""),
        ("unsubscribed", "Yes", "0000-00-00 00:00:00"),
        ("Accepts Email Marketing", "no", "yes"),
        ("Subscribed", "0", "2019-04-01 10:00"),
    ],
)
def test_a_column_of_yes_and_no_says_who_left(
    audience: Audience, csv_file: WriteCsv, header: str, out: str, stays: str
) -> None:
    assert numbers(run(audience, csv_file(f"email,{header}\nout@e.example,{out}\nin@e.example,{stays}\n")))[
        :4
    ] == (1, 0, 0, 1)
    assert statuses(audience) == {"out": "unsubscribed", "in": "active"}


def test_who_left_is_not_brought_back_by_another_column(audience: Audience, csv_file: WriteCsv) -> None:
    path = csv_file(
        "email,status,subscribed,clean_time\na@e.example,complained,true,2024-01-01\nb@e.example,,yes,\n"
    )
    run(audience, path)
    assert statuses(audience) == {"a": "complained", "b": "active"}


def test_the_operator_says_what_an_empty_cell_means(audience: Audience, csv_file: WriteCsv) -> None:
    path = csv_file("email,subscribed_to_emails\na@e.example,\nb@e.example,false\n")
    run(audience, path, status=SubscriberStatus.ACTIVE)
    assert statuses(audience) == {"a": "active", "b": "unsubscribed"}


def test_who_had_substack_erase_them_is_nobody_to_import(audience: Audience, csv_file: WriteCsv) -> None:
    path = csv_file("email\nada@example.com\n4f2a@Deletion-Request.substack.com\n")
    counts = run(audience, path)
    assert (counts.added, counts.rejected) == (1, 1)
    assert "had Substack erase them" in Path(counts.errors_file).read_text()
    assert set(statuses(audience)) == {"ada"}
