"""What each kind of reply means, as a table; and that no reply at all breaks the table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.providers.smtp.replies import Reply, Stage, Verdict, hint_for, judge, queue_id


@pytest.mark.parametrize(
    ("stage", "reply", "verdict"),
    [
        (Stage.MAIL, "250 2.1.0 Ok", Verdict.OK),
        (Stage.RCPT, "251 will forward", Verdict.OK),
        (Stage.DATA, "354 go on", Verdict.OK),
        (Stage.DATA, "250 what", Verdict.DEFERRED),
        (Stage.END, "250 2.0.0 Ok: queued as 4X", Verdict.OK),
        (Stage.END, "354 again?", Verdict.DEFERRED),
        (Stage.RCPT, "550 5.1.1 unknown", Verdict.REJECTED),
        (Stage.RCPT, "550 no enhanced code", Verdict.REJECTED),
        (Stage.RCPT, "552 5.2.2 mailbox full", Verdict.REJECTED),
        (Stage.RCPT, "550 5.7.133 only members may write to this group", Verdict.REJECTED),
        (Stage.RCPT, "553 5.1.8 sender's domain doesn't exist", Verdict.DOUBTFUL),
        (Stage.RCPT, "554 5.7.1 relay access denied", Verdict.DOUBTFUL),
        (Stage.RCPT, "550 5.7.515 access denied", Verdict.DOUBTFUL),
        (Stage.RCPT, "530 5.7.0 log in first", Verdict.HOLD),
        (Stage.MAIL, "550 5.7.1 not you", Verdict.HOLD),
        (Stage.MAIL, "452 4.3.1 disk full", Verdict.BUSY),
        (Stage.RCPT, "450 4.2.0 greylisted", Verdict.DEFERRED),
        (Stage.END, "554 5.6.0 looks like spam", Verdict.DOUBTFUL),
        (Stage.END, "550 5.2.1 mailbox disabled", Verdict.REJECTED),
        (Stage.END, "451 4.7.1 later", Verdict.DEFERRED),
        (Stage.RCPT, "999 ?", Verdict.DEFERRED),
    ],
)
def test_the_table(stage: Stage, reply: str, verdict: Verdict) -> None:
    assert judge(stage, Reply(int(reply[:3]), reply[4:])) is verdict


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2.0.0 Ok: queued as 4ZxY1k2", "4ZxY1k2"),
        ("OK id=1tQx3a-000AbC-1f", "1tQx3a-000AbC-1f"),
        ("Ok 0100018c1a2b3c4d-11111111-2222-000000", "0100018c1a2b3c4d-11111111-2222-000000"),
        ("2.0.0 Ok", ""),
        ("Requested mail action okay, completed", ""),
    ],
)
def test_the_queue_id_is_found_where_there_is_one(text: str, found: str) -> None:
    assert queue_id(Reply(250, text)) == found


@given(st.sampled_from(Stage), st.integers(0, 999), st.text(max_size=80))
def test_only_a_positive_answer_to_the_dot_accepts_and_only_a_5xx_rejects(
    stage: Stage, code: int, text: str
) -> None:
    verdict = judge(stage, Reply(code, text))
    assert (verdict is Verdict.OK) == (code == 354 if stage is Stage.DATA else 200 <= code < 300)
    if verdict in (Verdict.REJECTED, Verdict.DOUBTFUL):
        assert 500 <= code < 600
    assert hint_for(Reply(code, text))
