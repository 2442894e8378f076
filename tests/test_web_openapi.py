"""The OpenAPI document, and Schemathesis on it: whatever is sent, the answer is one that the document tells of."""

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fakes import FakeAnswerer, make_client, make_service
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from bot.config import Config, WebConfig
from kb.database import connect, migrate
from web.app import create_app

EXAMPLES = 40
OPERATIONS = (
    "POST /api/v1/chat",
    "POST /api/v1/feedback",
    "POST /api/v1/handover",
    "GET /api/v1/suggest",
    "GET /api/v1/conversations/{conversation_id}",
    "DELETE /api/v1/conversations/{conversation_id}",
    "GET /api/v1/conversations/{conversation_id}/turns/{turn_id}/explanation",
)
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    engine = connect(tmp_path_factory.mktemp("web") / "frontdesk.db")
    migrate(engine)
    return make_client(make_service(engine)).get("/openapi.json").json()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    engine = connect(tmp_path_factory.mktemp("web") / "frontdesk.db")
    migrate(engine)
    web = WebConfig(requests_per_minute=0)
    app = create_app(make_service(engine, FakeAnswerer("clarifying"), web), Config(web=web), page=False)
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_whatever_is_sent_gets_an_answer_that_is_documented(api: Any, operation: str, mode: GenerationMode) -> None:
    method, path = operation.split()
    bounded = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    strategy = api[path][method].as_strategy(generation_mode=mode)

    @bounded
    @given(case=strategy)
    def check(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    check()


def test_every_route_is_documented_with_its_errors(document: dict[str, Any]) -> None:
    answers = {
        f"{method.upper()} {path}": sorted(operation["responses"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    posted = ["200", "400", "404", "408", "413", "422", "429", "503"]
    conversation = ["404", "413", "422", "429", "503"]
    assert answers == {
        "POST /api/v1/chat": posted,
        "POST /api/v1/feedback": posted,
        "POST /api/v1/handover": posted,
        "GET /api/v1/suggest": ["200", "413", "422", "429", "503"],
        "GET /api/v1/conversations/{conversation_id}": ["200", *conversation],
        "DELETE /api/v1/conversations/{conversation_id}": ["204", *conversation],
        "GET /api/v1/conversations/{conversation_id}/turns/{turn_id}/explanation": ["200", *conversation],
        "GET /livez": ["200"],
        "GET /readyz": ["200", "503"],
    }


def test_errors_are_documented_as_problems(document: dict[str, Any]) -> None:
    refused = document["paths"]["/api/v1/chat"]["post"]["responses"]["422"]["content"]
    assert refused == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_requests_are_documented_with_examples(document: dict[str, Any]) -> None:
    for name in ("ChatRequest", "FeedbackRequest", "HandOverRequest"):
        properties = document["components"]["schemas"][name]["properties"]
        assert all("examples" in each for each in properties.values()), name


def test_the_page_about_rest_names_every_route_and_every_kind_of_error(document: dict[str, Any]) -> None:
    page = (Path(__file__).parent.parent / "docs" / "rest.md").read_text(encoding="utf-8")
    for path, operations in document["paths"].items():
        for method in operations:
            assert f"{method.upper()} {path}" in page
    for status in (400, 404, 405, 408, 413, 422, 429, 500, 503):
        assert f"| {status} |" in page
