"""`check --online` against real servers on loopback: what is asked, how often, who is never asked, and what is said of it."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest

from newsletter.checks.online.ask import ask_all
from newsletter.checks.online.fetch import Answer, Failure, fetch
from newsletter.checks.online.findings import online_findings
from newsletter.checks.online.guard import Address, NoHostError, is_public, resolved
from tests.fakes.smtp import make_certificate

GOOD = (Path(__file__).parent.parent / "cases" / "NL312" / "good.md").read_text("utf-8")
GUIDE = (Path(__file__).parent.parent / "cases" / "NL501" / "good.md").read_text("utf-8")


class Site(ThreadingHTTPServer):
    """Answers by path, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.asked: list[tuple[str, str, str]] = []
        self.times: list[float] = []

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what is tested."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Page(BaseHTTPRequestHandler):
    """`/status/404`, `/head/405` (HEAD only), `/moved/301/…`, `/picture/BYTES`, `/slow`."""

    server: Site
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass

    def _answer(self) -> None:
        self.server.asked.append((self.command, self.path, self.headers["User-Agent"]))
        self.server.times.append(time.monotonic())
        kind, _, rest = self.path.lstrip("/").partition("/")
        status, headers, body = 200, {}, b"ok"
        match kind:
            case "status":
                status = int(rest)
            case "head" if self.command == "HEAD":
                status = int(rest)
            case "moved":
                number, _, place = rest.partition("/")
                status, headers = int(number), {"Location": place if "://" in place else f"/{place}"}
            case "circle":
                status, headers = 302, {"Location": "/circle"}
            case "challenge":
                status, headers = 503, {"cf-mitigated": "challenge"}
            case "picture":
                body = b"x" * int(rest.partition("/")[0])
            case "slow":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                for _ in range(1200):
                    time.sleep(0.05)
                    self.wfile.write(b"X")
                    self.wfile.flush()
                return
            case _:
                pass
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if not (kind == "picture" and rest.endswith("/unsaid")):
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def reach(_: Address) -> bool:
    """Loopback is all there is in a test."""
    return True


def ask(url: str, picture: bool = False) -> Answer:
    return fetch(url, picture=picture, may_reach=reach, seconds=60)


def test_a_page_is_asked_for_by_head_with_an_honest_name_and_only_once(site: Site) -> None:
    assert ask(f"{site.url}/page?q=1#part") == Answer(200)
    [(method, path, agent)] = site.asked
    assert (method, path) == ("HEAD", "/page?q=1")
    assert agent.startswith("newsletter-toolkit/")


@pytest.mark.parametrize("status", [403, 405, 501, 404])
def test_a_server_that_knows_no_head_is_asked_again_by_get(site: Site, status: int) -> None:
    assert ask(f"{site.url}/head/{status}") == Answer(200)
    assert [method for method, *_ in site.asked] == ["HEAD", "GET"]


def test_a_page_that_moved_for_good_says_where_and_one_that_moved_for_now_does_not(site: Site) -> None:
    assert ask(f"{site.url}/moved/301/new#part").moved_to == f"{site.url}/new#part"
    assert ask(f"{site.url}/moved/302/new") == Answer(200)
    assert ask(f"{site.url}/moved/301/moved/307/new") == Answer(200)
    assert ask(f"{site.url}/moved/301/status/404") == Answer(404)


def test_redirections_end_after_five(site: Site) -> None:
    assert ask(f"{site.url}/circle").failure is Failure.CIRCLE
    assert len(site.asked) == 6


def test_a_picture_is_weighed_by_what_the_server_says_or_else_by_its_bytes(site: Site) -> None:
    assert ask(f"{site.url}/picture/1500000", picture=True).size == 1_500_000
    assert [method for method, *_ in site.asked] == ["HEAD"]
    assert ask(f"{site.url}/picture/1200000/unsaid", picture=True).size == 1_200_000
    # It is no more read than what tells it from a light one.
    assert 2_000_000 <= ask(f"{site.url}/picture/9000000/unsaid", picture=True).size < 3_000_000


def test_a_server_that_sends_a_letter_now_and_then_is_slow(site: Site) -> None:
    started = time.monotonic()
    assert fetch(f"{site.url}/slow", may_reach=reach, seconds=0.4).failure is Failure.SLOW
    assert time.monotonic() - started < 30, "its last letter comes after a minute"


def test_what_is_no_server_and_what_is_no_address_are_told_apart() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        assert ask(f"http://127.0.0.1:{taken.getsockname()[1]}/").failure is Failure.UNREACHABLE
    assert ask("http://[::1").failure is Failure.NO_ADDRESS
    assert ask("http://a b/").failure in {Failure.NO_ADDRESS, Failure.NO_HOST}


def test_a_certificate_is_judged_by_the_name_in_the_link(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    site.socket = server.wrap_socket(site.socket, server_side=True)
    port = site.server_address[1]

    def here(_host: str, _port: int) -> list[Address]:
        return [ip_address("127.0.0.1")]

    secure = partial(fetch, may_reach=reach, resolve=here, seconds=2)
    assert secure(f"https://localhost:{port}/").failure is Failure.CERTIFICATE
    monkeypatch.setattr(
        "newsletter.checks.online.fetch._trust", lambda: ssl.create_default_context(cafile=str(certificate))
    )
    assert secure(f"https://localhost:{port}/page") == Answer(200)
    assert secure(f"https://another.example:{port}/").failure is Failure.CERTIFICATE


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "[::1]",
        "[::]",
        "[::ffff:10.0.0.1]",
        "[::ffff:7f00:1]",
        "[2002:7f00:1::]",
        "[64:ff9b::169.254.169.254]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[fec0::1]",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_nothing_inside_a_network_is_asked(host: str) -> None:
    assert fetch(f"http://{host}/", seconds=60).failure is Failure.PRIVATE


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822", "2002:5db8:d822::"]
)
def test_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_redirection_into_a_network_is_not_followed(site: Site) -> None:
    def only_the_site(address: Address) -> bool:
        return str(address) == "127.0.0.1"

    moved = f"{site.url}/moved/302/http://127.0.0.2:{site.server_address[1]}/secret"
    assert fetch(moved, may_reach=only_the_site, seconds=60).failure is Failure.PRIVATE
    assert [path for _, path, _ in site.asked] == [moved.removeprefix(site.url)]
    assert ask(f"{site.url}/moved/302/file:///etc/passwd").failure is Failure.NO_ADDRESS


def test_the_connection_goes_to_the_address_that_was_judged(site: Site) -> None:
    judged: list[str] = []
    port = site.server_address[1]
    answers = iter(["127.0.0.1", "10.0.0.1"])

    def rebinding(_host: str, _port: int) -> list[Address]:
        return [ip_address(next(answers))]

    def may_reach(address: Address) -> bool:
        judged.append(str(address))
        return str(address) == "127.0.0.1"

    url = f"http://rebinding.example:{port}/head/405"
    # The second connection asks the resolver again, and is judged again.
    assert fetch(url, may_reach=may_reach, resolve=rebinding, seconds=60).failure is Failure.PRIVATE
    assert judged == ["127.0.0.1", "10.0.0.1"]
    assert len(site.asked) == 1


def test_a_host_with_one_private_address_is_refused_whichever_comes_first() -> None:
    def both(_host: str, _port: int) -> list[Address]:
        return [ip_address("93.184.216.34"), ip_address("10.0.0.1")]

    assert fetch("http://both.example/", resolve=both, seconds=60).failure is Failure.PRIVATE


def test_addresses_are_asked_once_each_and_a_host_is_not_hurried(site: Site) -> None:
    pages = [(f"{site.url}/{number}", False) for number in (1, 2, 1, 3, 2)]
    answers = dict(ask_all(pages, ask=ask, pause=0.1))
    assert answers == {url: Answer(200) for url, _ in pages}
    assert len(site.asked) == 3
    gaps = [later - earlier for earlier, later in zip(site.times, site.times[1:], strict=False)]
    assert min(gaps) >= 0.09


def test_hosts_are_asked_side_by_side_but_no_more_than_eight() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def count(_url: str, _picture: bool) -> Answer:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.03)
        with lock:
            running -= 1
        return Answer(200)

    assert len(list(ask_all(((f"http://h{number}.test/", False) for number in range(24)), ask=count))) == 24
    assert 2 <= most <= 8


def test_who_cannot_be_reached_is_not_asked_for_every_page() -> None:
    asked: list[str] = []

    def slow(url: str, _picture: bool) -> Answer:
        asked.append(url)
        return Answer(failure=Failure.SLOW)

    answers = list(ask_all([(f"http://one.test/{number}", False) for number in range(9)], ask=slow, pause=5))
    assert len(answers) == 9
    assert len(asked) == 1


def test_what_nobody_foresaw_ends_the_check_rather_than_making_it_wait_for_ever() -> None:
    def broken(url: str, picture: bool) -> Answer:
        raise LookupError(url, picture)

    with pytest.raises(LookupError, match="one"):
        list(ask_all([("http://one.test/", False)], ask=broken))


def test_each_answer_is_a_finding_at_its_line(site: Site, tmp_path: Path) -> None:
    rows = {
        "status/404": ("NL851", "the page is gone (status 404)"),
        "status/410": ("NL851", "the page is gone (status 410)"),
        "status/500": ("NL852", "the server failed (status 500)"),
        "status/429": ("NL855", "the server doesn't tell (status 429)"),
        "status/401": ("NL855", "the server doesn't tell (status 401)"),
        "challenge": ("NL855", "the server doesn't tell (status 503)"),
        "moved/308/page": ("NL853", "the page has moved for good"),
        "circle": ("NL852", "its redirections lead nowhere"),
        "page": None,
    }
    body = "\n".join(f"[{position}]({site.url}/{path})" for position, path in enumerate(rows))
    path = tmp_path / "001-a.md"
    path.write_text(f"{GOOD}\n{body}\n`{site.url}/status/404`\n")
    found = online_findings([path], ask=partial(ask_all, ask=ask, pause=0))
    first = GOOD.count("\n") + 2
    assert [(d.code, d.line, d.column, d.message) for d in found] == [
        (row[0], first + position, 5, row[1]) for position, row in enumerate(rows.values()) if row
    ]
    assert all(d.help for d in found)


def test_a_heavy_picture_and_the_sources_of_a_guide_are_looked_at_and_own_pages_are_not(
    site: Site, tmp_path: Path
) -> None:
    issue = tmp_path / "001-a.md"
    issue.write_text(f"{GOOD}\n![Two lanes]({site.url}/picture/1100000)\n[own]({site.url}/own/new/)\n")
    guide = tmp_path / "b.md"
    guide.write_text(GUIDE.replace("https://example.com/queues", f"{site.url}/status/404"))
    found = online_findings([issue, guide], own=f"{site.url}/own", ask=partial(ask_all, ask=ask, pause=0))
    assert [(d.code, Path(d.path).name, d.line) for d in found] == [
        ("NL825", "001-a.md", GOOD.count("\n") + 2),
        ("NL851", "b.md", GUIDE[: GUIDE.index("https://example.com/queues")].count("\n") + 1),
    ]
    assert not any("/own/" in path for _, path, _ in site.asked)


@pytest.mark.parametrize(
    ("for_now", "hosts", "codes"),
    [(True, 40, ["NL856"]), (False, 40, ["NL856"]), (False, 2, ["NL851", "NL851"]), (True, 1, ["NL856"])],
)
def test_without_a_network_there_is_one_finding(
    tmp_path: Path,
    for_now: bool,
    hosts: int,
    codes: list[str],
) -> None:
    def nowhere(host: str, _port: int) -> list[Address]:
        if host == "10.0.0.1":
            return [ip_address(host)]
        raise NoHostError(host, for_now=for_now)

    def unresolved(url: str, _picture: bool) -> Answer:
        return fetch(url, resolve=nowhere, seconds=60)

    path = tmp_path / "001-a.md"
    links = [f"[{n}](https://host{n}.dev/)" for n in range(hosts)]
    path.write_text("\n".join([GOOD, *links, "[private](http://10.0.0.1/)", ""]))
    found = online_findings([path], ask=partial(ask_all, ask=unresolved))
    assert [d.code for d in found if d.code != "NL854"] == codes


def test_a_host_that_is_none_has_no_addresses() -> None:
    with pytest.raises(NoHostError) as caught:
        resolved("a" * 80 + ".dev", 80)
    assert not caught.value.for_now


def test_files_without_links_ask_nobody(tmp_path: Path) -> None:
    path = tmp_path / "001-a.md"
    path.write_text(GOOD.replace("http", "ftp"))
    called: list[int] = []
    found = online_findings([path], progress=lambda _phase, done, _total: called.append(done))
    assert (found, called) == ([], [])


def test_ctrl_c_ends_a_check_whose_server_never_answers() -> None:
    program = (
        "import time; from newsletter.checks.online.ask import ask_all; print('asking', flush=True); "
        "list(ask_all([('http://never.test/', False)], ask=lambda url, picture: time.sleep(60)))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "asking\n"
        time.sleep(0.1)
        asking.send_signal(signal.SIGINT)
        _, said = asking.communicate(timeout=50)
    assert said.endswith("KeyboardInterrupt\n")


def test_an_interrupt_is_not_kept_waiting() -> None:
    release = threading.Event()

    def hangs(_url: str, _picture: bool) -> Answer:
        release.wait(60)
        return Answer(200)

    def one_hangs(url: str, picture: bool) -> Answer:
        return Answer(200) if "quick" in url else hangs(url, picture)

    answers = ask_all([("http://quick.test/", False), ("http://never.test/", False)], ask=one_hangs)
    assert next(answers) == ("http://quick.test/", Answer(200))
    started = time.monotonic()
    answers.close()  # what an interrupt does to a generator
    assert time.monotonic() - started < 30
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "link check")
    release.set()
