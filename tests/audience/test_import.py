"""What an import makes of a file: who comes in, who stays out, and what is said about the rest."""

from __future__ import annotations

import csv
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.audience.membership import Audience
from newsletter.audience.transfer import ImportOptions, import_csv
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.subscriber import Subscriber, SubscriberStatus
from newsletter.store import subscribers as people
from newsletter.store.imports import ImportCounts

WriteCsv = Callable[..., Path]


def run(audience: Audience, path: Path, **options: object) -> ImportCounts:
    return import_csv(audience, path, ImportOptions(**options)).counts  # type: ignore[arg-type] # forwarded


def numbers(counts: ImportCounts) -> tuple[int, int, int, int, int]:
    """added, updated, unchanged, suppressed, rejected"""
    return counts.added, counts.updated, counts.unchanged, counts.suppressed, counts.rejected


def everyone(audience: Audience) -> dict[str, Subscriber]:
    return {person.email: person for person in people.stream(audience.database)}


def test_names_tags_dates_and_unknown_columns_arrive(audience: Audience, csv_file: WriteCsv) -> None:
    path = csv_file(
        "Email Address,First Name,Last Name,Tags,Created At,Plan,Company\n"
        'Ada@Example.com,Ada,Lovelace,"vip; early",2023-03-24 10:23:10 UTC,pro,\n'
    )
    assert numbers(run(audience, path)) == (1, 0, 0, 0, 0)
    person = audience.get("ada@example.com")
    assert person.email == "Ada@Example.com"
    assert person.name == "Ada Lovelace"
    assert person.tags == ("early", "vip")
    assert person.created_at is not None
    assert person.created_at.isoformat() == "2023-03-24T10:23:10+00:00"
    assert person.metadata == {"Plan": "pro"}


def test_a_second_run_changes_nothing(audience: Audience, csv_file: WriteCsv) -> None:
    path = csv_file(
        "email,name,tags,created_at,x\na@example.com,A,t,2024-01-01,1\nb@example.com,B,,,\nc@example.com,,,,2\n"
    )
    assert numbers(run(audience, path, tags=("all",))) == (3, 0, 0, 0, 0)
    before = everyone(audience)
    assert numbers(run(audience, path, tags=("all",))) == (0, 0, 3, 0, 0)
    assert everyone(audience) == before


def test_a_second_file_updates_what_it_says_and_leaves_the_rest(
    audience: Audience, csv_file: WriteCsv
) -> None:
    run(
        audience, csv_file("email,name,tags,plan,city\na@example.com,Ann,x,free,Rome\nb@example.com,Bob,,,\n")
    )
    counts = run(
        audience,
        csv_file("email,name,tags,plan,created_at\nA@EXAMPLE.com,,y,pro,2020-05-05\nb@example.com,,,,\n"),
    )
    assert numbers(counts) == (0, 1, 1, 0, 0)
    person = audience.get("a@example.com")
    assert (person.email, person.name, person.tags) == ("a@example.com", "Ann", ("x", "y"))
    assert person.metadata == {"plan": "pro", "city": "Rome"}
    assert person.created_at is not None
    assert person.created_at.year == 2020


@pytest.mark.parametrize("status", ["unsubscribed", "bounced", "complained"])
def test_nobody_who_left_is_brought_back(audience: Audience, csv_file: WriteCsv, status: str) -> None:
    run(audience, csv_file(f"email,name,status\na@example.com,Ann,{status}\n"))
    counts = run(audience, csv_file("email,name,tags,status\nA@Example.com,Changed,new,active\n"))
    assert numbers(counts) == (0, 0, 0, 1, 0)
    person = audience.get("a@example.com")
    assert (person.status.value, person.name, person.tags) == (status, "Ann", ())


def test_someone_erased_is_not_brought_back_under_any_spelling(
    audience: Audience, csv_file: WriteCsv
) -> None:
    audience.add("x@bücher.ch")
    audience.erase("x@bücher.ch")
    counts = run(audience, csv_file("email\nX@xn--bcher-kva.ch\nb@example.com\n"))
    assert numbers(counts) == (1, 0, 0, 1, 0)
    assert list(everyone(audience)) == ["b@example.com"]


def test_rows_of_people_who_left_take_active_people_off_the_list(
    audience: Audience, csv_file: WriteCsv
) -> None:
    audience.add("a@example.com")
    path = csv_file("email,status\na@example.com,Unsubscribed\nnew@example.com,hard_bounced\n")
    assert numbers(run(audience, path)) == (0, 0, 0, 2, 0)
    assert audience.get("a@example.com").status is SubscriberStatus.UNSUBSCRIBED
    assert audience.get("new@example.com").status is SubscriberStatus.BOUNCED
    assert numbers(run(audience, path)) == (0, 0, 2, 0, 0)
    with pytest.raises(NewsletterError, match="isn't brought back"):
        audience.add("new@example.com")


def test_a_pending_person_is_confirmed_by_a_list_that_has_them_active(
    audience: Audience, csv_file: WriteCsv
) -> None:
    run(audience, csv_file("email\na@example.com\n"), status=SubscriberStatus.PENDING)
    assert numbers(run(audience, csv_file("email,status\na@example.com,active\n"))) == (0, 1, 0, 0, 0)
    assert audience.get("a@example.com").status is SubscriberStatus.ACTIVE
    assert numbers(run(audience, csv_file("email,status\na@example.com,pending\n"))) == (0, 0, 1, 0, 0)
    assert audience.get("a@example.com").status is SubscriberStatus.ACTIVE


def test_repeats_in_a_file_are_one_person_and_leaving_wins(audience: Audience, csv_file: WriteCsv) -> None:
    path = csv_file(
        "email,name,tags,status,created_at,m\n"
        "a@example.com,Old,x,active,2024-01-01,1\nA@example.com,New,y,active,2023-01-01,2\na@example.com,,,active,,\n"
        "b@example.com,Bob,,unsubscribed,,\nB@example.com,Bob,,active,,\n"
    )
    assert numbers(run(audience, path)) == (1, 0, 3, 1, 0)
    person = audience.get("a@example.com")
    assert (person.name, person.tags, person.metadata) == ("New", ("x", "y"), {"m": "2"})
    assert person.created_at is not None
    assert person.created_at.year == 2023
    assert audience.get("b@example.com").status is SubscriberStatus.UNSUBSCRIBED


def test_rejected_rows_are_filed_with_line_reason_and_the_row_as_it_was(
    audience: Audience, csv_file: WriteCsv
) -> None:
    path = csv_file(
        "email,name,status\n\nok@example.com,Ok,active\nnot an address,X,active\n,Nobody,active\n"
        'multi@example.com,"Two\nlines",active\na@example.com,A,enthusiastic\nb@example.com,B,\n'
        'c@example.com,C,active,one,more\nd@example.com,"D" broken,active\n=bad,E,active\nlast@example.com,L,active\n'
    )
    counts = run(audience, path)
    assert numbers(counts) == (3, 0, 0, 0, 7)
    with Path(counts.errors_file).open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["line", "reason", "email", "name", "status"]
    found = {int(row[0]): row[1:] for row in rows[1:]}
    assert sorted(found) == [4, 5, 8, 9, 10, 11, 12]
    assert found[4][1:] == ["not an address", "X", "active"]
    assert found[5][0] == "no address"
    assert found[8][0] == "unknown status `enthusiastic`"
    assert found[9][0] == "no status"
    assert found[10][0] == "5 cells where the header has 3"
    assert found[10][1:] == ["c@example.com", "C", "active", "one", "more"]
    assert found[11][0].startswith("not valid CSV")
    assert found[11][1] == 'd@example.com,"D" broken,active'
    assert found[12][1] == "'=bad"
    assert audience.get("multi@example.com").name == "Two lines"
    assert Path(counts.errors_file).stat().st_mode & 0o077 == 0


def test_the_errors_file_mended_can_be_brought_in(audience: Audience, csv_file: WriteCsv) -> None:
    counts = run(audience, csv_file("email,name\na at example.com,Ann\n"))
    mended = Path(counts.errors_file).read_text().replace("a at example.com", "a@example.com")
    assert numbers(run(audience, csv_file(mended, "mended.csv"))) == (1, 0, 0, 0, 0)
    assert audience.get("a@example.com").metadata == {}


def test_short_rows_are_filled_up(audience: Audience, csv_file: WriteCsv) -> None:
    assert numbers(run(audience, csv_file("email,name,tags\na@example.com\nb@example.com,Bob,,\n"))) == (
        *(2, 0, 0),
        *(0, 0),
    )


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("email;name\nü@example.com;Zoë\n".encode("utf-8-sig"), ""),
        ("email\tname\nü@example.com\tZoë\n".encode("utf-16"), ""),
        ("email;name\r\nü@example.com;Zoë\r\n".encode(), ""),
        ("sep=;\nname;email\nZoë;ü@example.com\n".encode(), ""),
        ('"email"|"name"\n"ü@example.com"|"Zoë"'.encode(), ""),
        ("email,name\nü@example.com,Zoë\n".encode("cp1252"), "Windows-1252"),
        ("\n\nemail,name\rü@example.com,Zoë\r".encode(), ""),
    ],
)
def test_encodings_delimiters_and_line_ends_are_found_out(
    audience: Audience, csv_file: WriteCsv, content: bytes, note: str
) -> None:
    result = import_csv(audience, csv_file(content), ImportOptions())
    assert result.counts.added == 1, result
    assert audience.get("ü@example.com").name == "Zoë"
    assert any(note in said for said in result.notes)


def test_a_mapping_names_columns_nobody_could_guess(audience: Audience, csv_file: WriteCsv) -> None:
    path = csv_file("Kontakt,Rufname,email\na@example.com,Ann,ignored\n")
    run(audience, path, mapping={"email": "Kontakt", "name": "rufname"})
    person = audience.get("a@example.com")
    assert (person.name, person.metadata) == ("Ann", {"email": "ignored"})


@pytest.mark.parametrize(
    ("mapping", "message"),
    [({"email": "Mail"}, "no column `Mail`"), ({"phone": "email"}, "can't set `phone`")],
)
def test_a_mapping_to_nothing_is_refused(
    audience: Audience, csv_file: WriteCsv, mapping: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run(audience, csv_file("email\na@example.com\n"), mapping=mapping)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"name,phone\nAnn,1\n", "no email column; its columns are `name`, `phone`"),
        (b"a@example.com\nb@example.com\n", "has no header: its first line holds an address"),
        (
            b'email,name\na@example.com,"Ann\nb@example.com,Bob\n',
            "list.csv:2: a quote is opened and never closed",
        ),
        (
            b"email,name\na@example.com," + b"x" * 140_000,
            "list.csv:2: a cell is longer than 131,072 characters",
        ),
        (b'email,"name\na@example.com,Ann\n', "header line can't be read"),
        (b"PK\x03\x04whatever", "spreadsheet or a ZIP"),
        (b"\x89PNG\r\n\x00\x00", "not a text file"),
        (b"email\n\x81\x8d@example.com\n", "broken cp1252"),
        ("email\na@example.com".encode("utf-16")[:-1], "broken utf-16"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_the_list_stays(
    audience: Audience, csv_file: WriteCsv, content: bytes, message: str
) -> None:
    with pytest.raises(NewsletterError, match=message) as caught:
        run(audience, csv_file(content))
    assert caught.value.hint or "header line" in message
    assert everyone(audience) == {}
    assert leftovers(audience) == []


def leftovers(audience: Audience) -> list[str]:
    folder = audience.database.path.parent
    return [path.name for path in folder.rglob("*") if "staged" in path.name or path.suffix == ".part"]


def test_a_missing_file_and_a_folder_are_one_clear_sentence(audience: Audience, tmp_path: Path) -> None:
    with pytest.raises(NewsletterError, match=r"nowhere\.csv can't be read: No such file"):
        run(audience, tmp_path / "nowhere.csv")
    with pytest.raises(NewsletterError, match="can't be read: Is a directory"):
        run(audience, tmp_path)


def test_a_dry_run_counts_what_the_import_will_do_and_changes_nothing(
    audience: Audience, csv_file: WriteCsv
) -> None:
    audience.add("known@example.com", name="K")
    audience.add("left@example.com")
    audience.unsubscribe("left@example.com")
    path = csv_file(
        "email,name,status\nknown@example.com,New,active\nleft@example.com,L,active\nnew@example.com,N,active\n"
        "gone@example.com,G,bounced\nbroken,B,active\nnew@example.com,N,active\n"
    )
    before = everyone(audience)
    forecast = run(audience, path, dry_run=True, tags=("t",))
    assert everyone(audience) == before
    assert leftovers(audience) == []
    assert run(audience, path, tags=("t",)) == forecast
    assert numbers(forecast) == (1, 1, 1, 2, 1)


def test_the_file_name_says_who_left_where_no_column_does(audience: Audience, csv_file: WriteCsv) -> None:
    path = csv_file("Email Address\na@example.com\n", "unsubscribed_members_export_1f2e.csv")
    result = import_csv(audience, path, ImportOptions())
    assert audience.get("a@example.com").status is SubscriberStatus.UNSUBSCRIBED
    assert "the file's name says so" in result.notes[0]


def test_without_a_status_column_active_is_assumed_aloud(audience: Audience, csv_file: WriteCsv) -> None:
    result = import_csv(audience, csv_file("email\na@example.com\n"), ImportOptions())
    assert "taken as active" in result.notes[0]


def test_a_date_of_leaving_means_they_left(audience: Audience, csv_file: WriteCsv) -> None:
    run(audience, csv_file("email,unsubscribed_at\na@example.com,2024-01-01\nb@example.com,\n"))
    assert audience.get("a@example.com").status is SubscriberStatus.UNSUBSCRIBED
    assert audience.get("b@example.com").status is SubscriberStatus.ACTIVE


def test_a_date_with_two_meanings_is_kept_as_it_was(audience: Audience, csv_file: WriteCsv) -> None:
    run(audience, csv_file("email,Created\na@example.com,04/05/2024\nb@example.com,2999-01-01\n"))
    assert audience.get("a@example.com").metadata == {"Created": "04/05/2024"}
    joined = audience.get("b@example.com").created_at
    assert joined is not None
    assert joined <= audience.clock.now()


def test_the_import_is_the_beginning_of_a_persons_consent_record(
    audience: Audience, csv_file: WriteCsv
) -> None:
    from hashlib import sha256

    from newsletter.audience.consent import history

    path = csv_file("email\na@example.com\n")
    run(audience, path, attestation="joined at the 2025 meetup")
    audience.unsubscribe("a@example.com")
    events = history(audience.database, audience.get("a@example.com").id)
    assert [event.action for event in events] == ["imported", "unsubscribed"]
    assert events[0].source == f"import:{sha256(path.read_bytes()).hexdigest()}"
    assert "joined at the 2025 meetup" in events[0].detail


def test_many_rows_with_tags_and_leavers_are_counted_exactly(audience: Audience, csv_file: WriteCsv) -> None:
    statuses = ("active", "unsubscribed", "pending", "active")
    lines = [
        f"p{i % 9000}@mail{i % 13}.example.com,Name {i % 9000},t{i % 5},{statuses[i % 4]}"
        for i in range(20_000)
    ]
    path = csv_file("email,name,tags,status\n" + "\n".join(lines))
    counts = run(audience, path)
    assert sum(numbers(counts)) == 20_000
    stored = people.counts_by_status(audience.database)
    assert counts.added == stored[SubscriberStatus.ACTIVE] + stored[SubscriberStatus.PENDING]
    assert counts.suppressed == stored[SubscriberStatus.UNSUBSCRIBED]
    assert sum(stored.values()) == len({line.split(",")[0] for line in lines})
    [(suppressed,)] = audience.database.query("SELECT count(*) FROM suppressions")
    assert suppressed == counts.suppressed
    assert numbers(run(audience, path))[0] == 0


def test_what_comes_through_a_pipe_is_read_whole_and_leaves_nothing_behind(
    audience: Audience, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    rows = "".join(f"reader{number}@example.com,Reader {number}\n" for number in range(10_000))
    writer = threading.Thread(target=pipe.write_text, args=("email,name\n" + rows + "broken,\n",))
    writer.start()
    try:
        assert numbers(run(audience, pipe)) == (10_000, 0, 0, 0, 1)
    finally:
        writer.join()
    assert audience.get("reader9999@example.com").name == "Reader 9999"
    assert leftovers(audience) == []
