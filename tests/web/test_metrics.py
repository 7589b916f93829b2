"""What machines that watch are told is true, told to nobody else, and names no person; nor does the access log."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest

from newsletter.clock import FakeClock
from newsletter.web.access_log import AccessLog
from newsletter.web.metrics import RequestCounts, counted
from newsletter.web.observe import Answered
from newsletter.web.tally import Tally
from tests.web.conftest import Running, make_home

SAMPLE = re.compile(r'([a-z_]+)(\{[a-z]+="(?:[^"\\]|\\.)*"(?:,[a-z]+="(?:[^"\\]|\\.)*")*\})? (-?[0-9.e+]+)')


def samples(text: str) -> dict[str, float]:
    """Every sample, by its name and labels; all of the text has to be in the format."""
    found = {}
    described = set()
    for line in text.splitlines():
        if line.startswith("# "):
            described.add(line.split()[2])
            continue
        matched = SAMPLE.fullmatch(line)
        assert matched is not None, line
        assert re.sub(r"_(bucket|sum|count)$", "", matched[1]) in described or matched[1] in described
        found[matched[1] + (matched[2] or "")] = float(matched[3])
    return found


def test_the_numbers_are_those_of_the_store_and_of_the_requests(site: Running) -> None:
    reader = site.add("ada@example.com")
    site.add("bob@example.com")
    site.client.post(site.leave_path(reader), data={"List-Unsubscribe": "One-Click"})
    site.client.get("/nothing/here/at/all")
    site.client.request("BREW", "/join")
    answer = site.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)
    assert found['newsletter_subscribers{status="active"}'] == 1
    assert found['newsletter_subscribers{status="unsubscribed"}'] == 1
    assert found['newsletter_http_requests_total{method="POST",route="/u/{token}",status="200"}'] == 1
    assert found['newsletter_http_requests_total{method="GET",route="unmatched",status="404"}'] == 1
    assert any(key.startswith('newsletter_http_requests_total{method="other"') for key in found)
    assert found['newsletter_http_request_duration_seconds_count{route="/u/{token}"}'] == 1
    assert found['newsletter_http_request_duration_seconds_bucket{route="/u/{token}",le="+Inf"}'] == 1
    assert found["newsletter_leaves_spooled"] == 0
    assert found['newsletter_store_bytes{file="store"}'] > 0
    token = site.leave_path(reader).removeprefix("/u/")
    assert "example.com" not in answer.text
    assert token not in answer.text


def test_durations_are_counted_in_the_right_bucket() -> None:
    tally = Tally()
    counts = RequestCounts(tally.sheet())
    for seconds in (0.001, 0.002, 0.3, 100.0):
        counts(Answered("GET", "/x", 200, seconds, 1))
    found = samples("\n".join(counted(tally.total())))

    def at_most(limit: str) -> float:
        return found[f'newsletter_http_request_duration_seconds_bucket{{route="/x",le="{limit}"}}']

    assert [at_most(limit) for limit in ("0.001", "0.0025", "0.25", "0.5", "10.0", "+Inf")] == [
        1,
        2,
        2,
        3,
        3,
        4,
    ]
    assert found['newsletter_http_request_duration_seconds_sum{route="/x"}'] == pytest.approx(100.303)


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ("", {}, 200),
        ("", {"x-forwarded-for": "127.0.0.1"}, 404),
        ("", {"forwarded": "for=127.0.0.1"}, 404),
        ("", {"x-real-ip": "203.0.113.9"}, 404),
        ("", {"via": "1.1 proxy"}, 404),
        ('trusted_proxies = ["127.0.0.1"]\n', {"x-forwarded-for": "203.0.113.9"}, 404),
        (
            'trusted_proxies = ["127.0.0.1"]\nmetrics_from = ["203.0.113.0/24"]\n',
            {"x-forwarded-for": "203.0.113.9"},
            200,
        ),
        ('metrics_from = ["10.0.0.0/8"]\n', {}, 404),
        ("metrics_from = []\n", {}, 404),
    ],
)
def test_only_the_allowed_networks_find_them(
    start: Callable[..., Running], tmp_path: Path, settings: str, headers: dict[str, str], status: int
) -> None:
    site = start(make_home(tmp_path / "n", f"[web]\n{settings}"))
    answer = site.client.get("/metrics", headers=headers)
    assert answer.status_code == status
    assert ("newsletter_subscribers" in answer.text) is (status == 200)


def test_readiness_is_that_the_store_can_be_written(site: Running) -> None:
    assert site.client.get("/readyz").text == "ready\n"
    assert site.client.get("/healthz").status_code == 200


def test_a_full_disk_is_not_ready(site: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=10, f_frsize=4096))
    answer = site.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert site.client.get("/healthz").status_code == 200


def test_a_service_that_cant_write_is_alive_and_not_ready(
    site: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.service.writer, "_closed", True)
    answer = site.client.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert site.client.get("/healthz").status_code == 200


def test_the_log_has_a_line_for_each_request_and_nobody_in_it(
    start: Callable[..., Running], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site = start(make_home(tmp_path / "n", "[web]\naccess_log = true\n"))
    reader = site.add("ada@example.com")
    path = site.leave_path(reader)
    site.client.get(
        f"{path}?email=ada@example.com", headers={"user-agent": "Spy/1", "referer": "https://x.example/ada"}
    )
    site.client.post(path, data={"List-Unsubscribe": "One-Click"})
    site.client.get("/some/ada@example.com")
    site.stop()
    out = capfd.readouterr().out
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("GET", "/u/{token}", 200),
        ("POST", "/u/{token}", 200),
        ("GET", "unmatched", 404),
    ]
    assert all(set(line) == {"at", "method", "route", "status", "ms", "bytes"} for line in lines)
    assert lines[0]["bytes"] > 500
    for word in ("ada@", path.removeprefix("/u/"), "127.0.0.1", "Spy"):
        assert word not in out


def test_a_log_nobody_reads_any_more_stops_nothing() -> None:
    sink = StringIO()
    log = AccessLog(sink, FakeClock())
    log(Answered("GET", "/x", 200, 0.0123, 5))
    assert json.loads(sink.getvalue()) == {
        "at": "2026-01-06T09:00:00.000+00:00", "method": "GET", "route": "/x", "status": 200, "ms": 12.3, "bytes": 5,
    }  # fmt: skip
    sink.close()
    log(Answered("GET", "/x", 200, 0.0123, 5))
