"""The console is closed to whoever has no session: all that Gradio serves there, and not its pages alone."""

import pytest
from fakes import make_service
from fakes_bot import bot_over
from fakes_desk import desk_over
from fastapi.testclient import TestClient
from starlette.routing import Mount

from bot.config import Config, WebConfig
from kb.database import connect, migrate
from kb.operators import LoginConfig, Operators
from web.app import create_app
from web.auth import CONSOLE, COOKIE

PASSWORD = "correct horse battery"
HOST = "https://help.shop.example"
PAGE = {"accept": "text/html,*/*"}


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("console")
    engine = connect(folder / "frontdesk.db")
    migrate(engine)
    operators = Operators(engine, LoginConfig(failures=3))
    for name in ("ada", "bob", "eve"):
        operators.add(name, "admin", PASSWORD)
    bot = bot_over(folder)
    config = Config(web=WebConfig(requests_per_minute=0))
    desk = desk_over(engine, bot, operators)
    yield create_app(make_service(engine, web=config.web), config, desk=desk)
    engine.dispose()


@pytest.fixture
def client(app):
    return TestClient(app, base_url=HOST, follow_redirects=False)


def log_in(client, name="ada", password=PASSWORD, **headers):
    return client.post(f"{CONSOLE}/login", data={"name": name, "password": password}, headers=headers)


def test_a_page_leads_to_the_log_in_and_the_log_in_to_the_page(client):
    assert client.get(f"{CONSOLE}/", headers=PAGE).headers["location"] == f"{CONSOLE}/login"
    assert 'name="password"' in client.get(f"{CONSOLE}/login").text
    done = log_in(client)
    assert (done.status_code, done.headers["location"]) == (303, f"{CONSOLE}/")
    assert client.get(f"{CONSOLE}/", headers=PAGE).status_code == 200


def test_the_cookie_is_for_this_server_and_no_script(client):
    cookie = log_in(client).headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"httponly", "secure", "samesite=strict", f"path={CONSOLE}"} <= set(
        cookie.lower().replace(" ", "").split(";")
    )


def test_no_route_of_the_mounted_console_is_open(app, client):
    (mounted,) = [each.app for each in app.routes if isinstance(each, Mount) and each.path == CONSOLE]
    # Gradio has a log-in of its own at the address of ours, which is looked at first.
    paths = {getattr(route, "path", "") for route in mounted.routes} - {"/login"}
    assert any("/gradio_api/" in path for path in paths)
    for path in paths:
        address = CONSOLE + path.replace("{", "").replace("}", "").replace(":path", "")
        for method in ("GET", "POST"):
            assert client.request(method, address).status_code == 401, address


@pytest.mark.parametrize(
    "path", ["", "/", "/config", "/gradio_api/info", "/gradio_api/queue/join", "/gradio_api/upload"]
)
def test_a_made_up_cookie_opens_nothing(client, path):
    client.cookies.set(COOKIE, "made-up")
    assert client.post(CONSOLE + path).status_code == 401


def test_a_wrong_password_and_an_unknown_name_are_told_alike(client):
    wrong, unknown = log_in(client, password="wrong"), log_in(client, name="nobody")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text == unknown.text
    assert "set-cookie" not in wrong.headers


def test_too_many_tries_lock_out_with_the_same_words(client):
    texts = {log_in(client, name="bob", password="wrong").text for _ in range(3)}
    assert texts == {log_in(client, name="bob").text}


def test_who_logs_out_is_out(client):
    log_in(client)
    token = client.cookies[COOKIE]
    assert client.post(f"{CONSOLE}/logout").headers["location"] == f"{CONSOLE}/login"
    client.cookies.set(COOKIE, token)
    assert client.get(f"{CONSOLE}/config").status_code == 401


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}]
)
def test_nothing_is_changed_from_a_page_of_another_origin(client, headers):
    assert log_in(client, **headers).status_code == 403
    log_in(client)
    assert client.post(f"{CONSOLE}/gradio_api/queue/join", headers=headers).status_code == 403


def test_a_form_of_its_own_page_is_taken(client):
    assert log_in(client, origin=HOST, **{"sec-fetch-site": "same-origin"}).status_code == 303


def test_odd_forms_are_refused_and_break_nothing(client):
    for body in (b"", b"name=ada", b"\xff\xfe", b"name=" + b"x" * 5000 + b"&password=%00"):
        assert client.post(f"{CONSOLE}/login", content=body).status_code == 401


def test_the_pages_of_the_console_are_framed_by_nobody_and_not_kept(client):
    response = client.get(f"{CONSOLE}/login")
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"


def test_without_a_desk_there_is_no_console(tmp_path):
    engine = connect(tmp_path / "frontdesk.db")
    migrate(engine)
    client = TestClient(create_app(make_service(engine), Config()))
    assert 'name="password"' not in client.get(f"{CONSOLE}/login").text
    engine.dispose()


def test_while_the_database_is_away_nobody_is_let_in(tmp_path):
    engine = connect(tmp_path / "frontdesk.db")
    migrate(engine)
    bot = bot_over(tmp_path)
    app = create_app(make_service(engine), Config(), desk=desk_over(engine, bot, Operators(engine)))
    client = TestClient(app, base_url=HOST)
    client.cookies.set(COOKIE, "some token")
    engine.dispose()
    (tmp_path / "frontdesk.db").unlink()
    assert client.get(f"{CONSOLE}/config").status_code in (401, 503)
    (tmp_path / "frontdesk.db").write_bytes(b"no database at all, and long enough to be looked at" * 40)
    assert client.get(f"{CONSOLE}/config").status_code == 503
