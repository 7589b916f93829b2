"""Whatever is sent to whatever address, in whatever encoding: never a 5xx, never a traceback, and a bystander stays as they are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import APIOperation, GenerationMode, checks
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks as openapi_checks

from newsletter.store import api_keys
from newsletter.store.api_keys import Scope
from newsletter.web.api.document import openapi
from tests.web import any_request
from tests.web.conftest import SECRET, Running, make_home

# A body that is wrong and too long is refused for its length: 413 (RFC 9110, section 15.5.14), which the document names.
REFUSALS = SchemathesisConfig.from_dict(
    {
        "checks": {
            "negative_data_rejection": {
                "expected-statuses": [400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 503]
            }
        }
    }
)
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
FORMS = {
    "/join": ("email", "form_token", "website", "work", "form"),
    "/confirm/{token}": ("confirm",),
    "/u/{token}": ("leave", "List-Unsubscribe"),
    "/left/undo": ("proof", "undo"),
    "/left/reason": ("proof", "reason", "words"),
    "/p/{token}": ("mail",),
    "/preferences/{token}": ("save", "name", "topic", "pause"),
    "/preferences/{token}/erase": ("erase",),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEWSLETTER_SECRET_KEY", SECRET)
        folder = make_home(
            tmp_path_factory.mktemp("any") / "n",
            '[web]\napi_requests_per_minute = 1000000\ntopics = ["rag"]\nsite = "public"\n',
        )
        (folder / "public").mkdir()
        (folder / "public" / "index.html").write_text("<title>Site</title>")
        running = Running(folder)
        yield running
        running.stop()


@pytest.fixture(scope="module")
def maker(site: Running) -> any_request.Maker:
    return any_request.maker_for(site)


@pytest.fixture(scope="module")
def key(site: Running) -> str:
    with site.service.audience.database.write() as tx:
        return api_keys.create(tx, "every scope", list(Scope), site.service.clock.now())[1]


def operations(document: dict[str, Any]) -> dict[str, APIOperation[Any, Any, Any, Any]]:
    """The operations of an OpenAPI document, by path."""
    schema = schemathesis.openapi.from_dict(document, config=REFUSALS)
    return {
        path: schema[path][method.upper()]
        for path, methods in document["paths"].items()
        for method in methods
    }


def forms(tokens: list[str]) -> dict[str, Any]:
    """The forms, described as an API is: what a browser would send, and whatever else fits that."""
    paths = {}
    for path, fields in FORMS.items():
        good = {"enum": ["yes", "One-Click", "0", "reader1@example.com", *tokens[:20]]}
        text = {"anyOf": [{"type": "string"}, good]}
        body = {"schema": {"type": "object", "properties": dict.fromkeys(fields, text)}}
        operation: dict[str, Any] = {
            "requestBody": {
                "content": {"application/x-www-form-urlencoded": body, "multipart/form-data": body}
            },
            "responses": {"default": {"description": "a page"}},
        }
        if "{token}" in path:
            either = {"anyOf": [{"enum": tokens}, {"type": "string", "minLength": 1}]}
            operation["parameters"] = [{"name": "token", "in": "path", "required": True, "schema": either}]
        paths[path] = {"post": operation}
    return {"openapi": "3.1.0", "info": {"title": "forms", "version": "1"}, "paths": paths}


DOCUMENT = openapi("Field Notes", "")


@cache
def api() -> dict[str, APIOperation[Any, Any, Any, Any]]:
    """The API's operations; read when they are first wanted, as it takes a second."""
    return operations(DOCUMENT)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_the_api_answers_as_its_document_says(
    path: str, mode: GenerationMode, site: Running, key: str
) -> None:
    @QUICK
    @given(case=api()[path].as_strategy(generation_mode=mode))
    def call(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(
            base_url=site.url,
            headers={"authorization": f"Bearer {key}"},
            checks=[
                checks.not_a_server_error,
                openapi_checks.status_code_conformance,
                openapi_checks.content_type_conformance,
                openapi_checks.response_schema_conformance,
                openapi_checks.negative_data_rejection,
            ],
        )

    call()


@pytest.mark.parametrize("path", FORMS)
def test_no_form_brings_the_service_down(path: str, site: Running, maker: any_request.Maker) -> None:
    @QUICK
    @given(case=operations(forms(list(maker.tokens)))[path].as_strategy())
    def call(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(base_url=site.url, checks=[checks.not_a_server_error])

    before = any_request.bystander(site)
    call()
    assert any_request.bystander(site) == before


def test_a_wrong_answer_would_be_found() -> None:
    assert any_request.complaint(b"GET / HTTP/1.1", b"HTTP/1.1 500 Internal Server Error\r\n\r\n")
    assert any_request.complaint(
        b"GET / HTTP/1.1", b"HTTP/1.1 200 OK\r\n\r\nTraceback (most recent call last)"
    )
    assert any_request.complaint(b"GET / HTTP/1.1", b"garbage in place of an answer")
    assert not any_request.complaint(b"GET / HTTP/1.1", b"HTTP/1.1 404 Not Found\r\n\r\n")


@pytest.mark.parametrize("seed", range(4))
def test_no_request_at_all_gets_a_5xx_or_moves_a_bystander(
    site: Running, maker: any_request.Maker, seed: int
) -> None:
    chance = random.Random(seed)
    before = any_request.bystander(site)
    statuses = set()
    for _ in range(150):
        raw = maker.request(chance)
        answer = any_request.answer_to(site, raw)
        assert not any_request.complaint(raw, answer), any_request.complaint(raw, answer)
        statuses.add(answer.split(b" ", 2)[1] if answer else b"")
    assert {b"200", b"400", b"404", b"405"} <= statuses, "the requests reach something"
    assert any_request.bystander(site) == before
