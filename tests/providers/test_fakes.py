"""The fakes as programs: what they accepted is on disk before they say so, and survives kill -9."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from newsletter.model.message import OutcomeKind
from newsletter.providers.base import ProviderOptions
from newsletter.providers.resend import ResendProvider
from newsletter.providers.smtp import SmtpProvider
from tests.fakes.ledger import read_ledger
from tests.providers.conftest import call, make_batch

FAKES = Path(__file__).parents[1] / "fakes"


@pytest.mark.parametrize("program", ["smtp", "resend"])
def test_a_fake_runs_as_a_program_and_its_ledger_outlives_it(program: str, tmp_path: Path) -> None:
    port_file, ledger = tmp_path / "port", tmp_path / "ledger.jsonl"
    at = "RCPT" if program == "smtp" else "POST"
    fault = {"at": at, "do": "550 5.1.1 no" if program == "smtp" else "422", "match": "reader2@", "times": 1}
    process = subprocess.Popen(
        [sys.executable, str(FAKES / f"{program}.py"), "--port-file", str(port_file), "--ledger", str(ledger),
         "--fault", json.dumps(fault)],
        cwd=tmp_path,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 90
        while not port_file.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        port = int(port_file.read_text())
        if program == "smtp":
            session = SmtpProvider(ProviderOptions(name="smtp", host="127.0.0.1", port=port)).session()
            result = session.send(make_batch(4))
            session.close()
            expected = ["reader1@example.com", "reader3@example.com", "reader4@example.com"]
        else:
            options = ProviderOptions(
                name="resend", base_url=f"http://127.0.0.1:{port}", secret=SecretStr("re_test")
            )
            provider = ResendProvider(options)
            assert call(provider, make_batch(4)).hold is not None
            result = call(provider, make_batch(4))
            expected = [f"reader{n}@example.com" for n in range(1, 5)]
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait(60)
    assert [e["recipient"] for e in read_ledger(ledger)] == expected
    assert sum(o.kind is OutcomeKind.ACCEPTED for o in result.outcomes) == len(expected)
