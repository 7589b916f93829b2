"""Fixtures every test may ask for, and the rule that a missing tool skips by name, but fails in CI."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A busy machine is no finding: the suite's own time limit catches what hangs. In CI the same examples are tried each
# time, so that what fails there fails again, and what landed doesn't fail by luck; everywhere else they are new ones.
settings.register_profile(
    "project",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
)
settings.load_profile("project")

# A shell that starts the suite in the background has Ctrl-C ignored, and `nohup` the closed terminal, and every process
# below inherits that; a handler of Python's own gives the default back to the commands that tests tell to end.
signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

ROOT = Path(__file__).parent.parent
# Official specifications and corpora kept beside the project, never inside it.
SHARED_DATA = ROOT.parent / "shared" / "data"


# Whole files go to one worker. What takes minutes begins first, so that the short ones fill what is left.
LONGEST_FIRST = (
    "test_readme.py",
    "send/test_kill.py",
    "send/test_crashes.py",
    "preview/test_studio_axe.py",
    "web/test_pages_browser.py",
    "web/test_process.py",
    "send/test_planted_bugs.py",
    "preview/test_studio_page.py",
    "audience/test_import_survives.py",
    "preview/test_hard_input.py",
    "cli/test_preview.py",
    "cli/test_repeated.py",
    "test_wheel.py",
    "content/test_issue.py",
    "providers/test_http_contract.py",
    "cli/test_schedule.py",
    "web/test_webhooks.py",
    "web/test_joining_browser.py",
    "site/test_browser.py",
    "web/test_any_request.py",
    "preview/test_studio_panels.py",
    "web/test_signup.py",
    "web/test_mailer.py",
    "send/test_due.py",
    "send/test_fencing.py",
    "send/test_send_stateful.py",
    "cli/test_subscribers.py",
    "cli/test_demo.py",
    "cli/test_send.py",
    "audience/test_membership.py",
    "checks/test_cases.py",
    "render/test_email_browser.py",
    "site/test_build.py",
)


# Since 2026 Chromium's address bar draws its suggestions as two web pages of its own, with a process each, for every
# new window: two thirds of what a page costs here. Of this switch the last one counts alone, so that Playwright's
# own list (its `chromiumSwitches`) is said again.
WITHOUT = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"),
    *("HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding"),
    *("ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints"),
    *("NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options are only known to pytest if the root conftest declares them."""
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite tests/render/golden from what is rendered"
    )
    parser.addoption(
        "--update-cases", action="store_true", help="rewrite tests/cases/*/bad.out from what the checks say"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; see `LONGEST_FIRST`."""
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def missing(tool: str) -> NoReturn:
    """Skip because `tool` is missing; with CI=true that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{tool} is missing, and CI has to have it")
    pytest.skip(f"{tool} is missing")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Debian's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        missing("chromium")
    return path


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for the whole run: Playwright's driver can't be started twice in one process."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                f"--disable-features={','.join(WITHOUT)}",
            ],
        )
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the test oracles; absent in a checkout that stands alone."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is not here: the official specs and corpora stand beside the project")
    return SHARED_DATA
