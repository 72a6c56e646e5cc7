"""Who has the token may come in, and nobody else: not without one, not by way of another website, not over an open network."""

import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from rig_capture.console.errors import CantListen
from rig_capture.console.server import ConsoleServer
from rig_capture.console.token import TokenError, console_token
from rig_capture.profiles.settings.console import ConsoleSettings
from test.console.parts import TOKEN, Reply, Served, Visitor, served

COOKIE = {"X_Rig_Capture": "1"}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """For tests that leave it as it was."""
    with served(tmp_path_factory.mktemp("console"), {"hosts": ["rig.example.org"]}) as running:
        yield running


@pytest.fixture
def visitor(console: Served) -> Visitor:
    return console.visitor


def cookie_of(reply: Reply) -> str:
    return str(reply.headers["Set-Cookie"]).partition(";")[0]


@pytest.mark.parametrize(
    "path", ["/api/rig", "/api/status", "/api/live", "/api/health", "/api/sessions", "/api/tasks", "/api/jobs", "/main.js", "/api/nothing"]
)
def test_without_the_token_there_is_no_data(visitor: Visitor, path: str) -> None:
    reply = visitor.ask("GET", path)
    assert (reply.status, set(reply.json)) == (401, {"error"})
    assert "rig status" in reply.error


@pytest.mark.parametrize("token", [f"Bearer {TOKEN}x", f"Basic {TOKEN}"])
def test_another_token_is_none(visitor: Visitor, token: str) -> None:
    assert visitor.ask("GET", "/api/rig", Authorization=token).status == 401


def test_the_page_is_shown_to_strangers_only_as_a_form(visitor: Visitor) -> None:
    page = visitor.ask("GET", "/")
    assert (page.status, page.headers["Content-Type"]) == (401, "text/html; charset=utf-8")
    assert b'name="token"' in page.body
    assert visitor.ask("GET", "/base.css").status == 200
    assert visitor.ask("GET", "/index.html").status == 401
    assert visitor.get("/").body != page.body


def test_a_script_comes_in_by_its_header(visitor: Visitor) -> None:
    reply = visitor.get("/api/rig")
    assert (reply.status, reply.json["rig"], [camera["name"] for camera in reply.json["cameras"]]) == (200, "lab", ["front", "side"])
    assert "nobody offers" in visitor.post("/api/recording/start", {}).error


def test_the_address_with_the_token_gives_a_cookie_and_forgets_the_token(visitor: Visitor) -> None:
    reply = visitor.ask("GET", f"/?token={TOKEN.replace(' ', '%20')}")
    assert (reply.status, reply.headers["Location"]) == (303, "/")
    said = reply.headers["Set-Cookie"]
    assert all(word in said for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
    assert TOKEN not in said
    assert visitor.ask("GET", "/api/rig", Cookie=cookie_of(reply)).status == 200
    assert visitor.ask("GET", "/api/rig", Cookie=cookie_of(reply) + "0").status == 401
    wrong = visitor.ask("GET", "/?token=wrong")
    assert (wrong.status, wrong.headers["Location"], wrong.headers["Set-Cookie"]) == (303, "/?wrong", None)


def test_a_browser_logs_in_and_out(visitor: Visitor) -> None:
    assert visitor.ask("POST", "/api/login", {"token": "wrong"}).status == 401
    assert visitor.ask("POST", "/api/login", {"no": "token"}).status == 400
    form = visitor.ask("POST", "/api/login", f"token={TOKEN}".encode(), Content_Type="application/x-www-form-urlencoded")
    assert (form.status, form.headers["Location"]) == (303, "/")
    reply = visitor.ask("POST", "/api/login", {"token": TOKEN})
    assert reply.status == 200
    out = visitor.ask("POST", "/api/logout", Cookie=cookie_of(reply), **COOKIE)
    assert (out.status, cookie_of(out).partition("=")[2]) == (200, '""')


def test_a_change_by_cookie_needs_our_header_and_our_own_page(visitor: Visitor) -> None:
    cookie = cookie_of(visitor.ask("POST", "/api/login", {"token": TOKEN}))
    start: tuple[str, str, object] = ("POST", "/api/recording/start", {})
    assert "X-Rig-Capture" in visitor.ask(*start, Cookie=cookie).error
    assert visitor.ask("DELETE", "/api/jobs/abc", Cookie=cookie).status == 403
    own = f"http://{visitor.host}"
    assert visitor.ask(*start, Cookie=cookie, Origin=own, **COOKIE).status == 504, "it reaches the recorder, which is away"
    for origin in ("http://evil.example", "null", f"http://{visitor.host}0", f"http://{visitor.host}.evil.example"):
        assert visitor.ask(*start, Cookie=cookie, Origin=origin, **COOKIE).status == 403
        assert visitor.ask("GET", "/api/live", Cookie=cookie, Origin=origin).status == 403, "another website could listen"
        assert visitor.ask("GET", "/api/rig", Authorization=f"Bearer {TOKEN}", Origin=origin).status == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(
            ("evil.example", 403),
            ("evil.example:80", 403),
            ("", 403),
            ("127.0.0.1.evil.example", 403),
            ("localhost.evil", 403),
            ("[::1", 403),
        ),
        *(("127.0.0.1:1", 200), ("localhost", 200), ("LOCALHOST:99", 200), ("[::1]:8780", 200), ("192.0.2.7", 200)),
        *(("rig.example.org", 200), (socket.gethostname(), 200), (f"{socket.gethostname()}.local", 200)),
    ],
)
def test_it_answers_only_to_its_own_names(visitor: Visitor, host: str, status: int) -> None:
    assert visitor.get("/api/rig", Host=host).status == status


def test_browsers_are_told_to_be_careful(visitor: Visitor) -> None:
    for reply in (visitor.get("/"), visitor.get("/api/rig"), visitor.ask("GET", "/"), visitor.get("/api/nothing")):
        assert "frame-ancestors 'self'" in reply.headers["Content-Security-Policy"]
        assert "unsafe" not in reply.headers["Content-Security-Policy"]
        assert (reply.headers["X-Content-Type-Options"], reply.headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
    assert visitor.get("/api/rig").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/../server.py", "/%2e%2e/server.py", "/..%2fserver.py", "/page/../../server.py", "//etc/passwd", "/main.js%00.css", "/live"]
)
def test_nothing_but_files_of_the_page_is_served(visitor: Visitor, path: str) -> None:
    assert visitor.get(path).status == 404


def test_many_wrong_tokens_are_not_looked_at_any_more(tmp_path: Path) -> None:
    with served(tmp_path) as console, ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda n: console.visitor.ask("POST", "/api/login", {"token": f"wrong {n}"}), range(12)))
        assert {reply.status for reply in replies} <= {401, 429}
        late = console.visitor.ask("POST", "/api/login", {"token": TOKEN})
        assert (late.status, "wait a minute" in late.error) == (429, True)


def test_with_a_certificate_everything_is_encrypted(tmp_path: Path) -> None:
    certificate, key = tmp_path / "rig.pem", tmp_path / "rig.key"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=rig -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*words.split(), "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    with served(tmp_path, {"certificate": str(certificate), "certificate_key": str(key), "address": "0.0.0.0"}) as console:
        assert console.server.listening is not None
        port = console.server.listening.port
        assert console.url == f"https://{socket.gethostname()}:{port}/"
        visitor = Visitor(f"https://127.0.0.1:{port}", certificate=certificate)
        reply = visitor.ask("GET", f"/?token={TOKEN.replace(' ', '%20')}")
        assert (reply.status, "Secure" in reply.headers["Set-Cookie"]) == (303, True)
        with pytest.raises(ssl.SSLCertVerificationError):
            Visitor(f"https://127.0.0.1:{port}", certificate=_other_certificate(tmp_path)).get("/")
        with pytest.raises((ConnectionError, OSError)):
            Visitor(f"http://127.0.0.1:{port}").get("/api/rig")


def _other_certificate(folder: Path) -> Path:
    other = folder / "other.pem"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other -keyout /dev/null"
    subprocess.run([*words.split(), "-out", str(other)], check=True, capture_output=True)
    return other


def test_a_certificate_that_cant_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "rig.pem").write_text("nothing")
    with pytest.raises(CantListen, match=r"rig\.pem.*can't be used"), served(tmp_path, {"certificate": str(tmp_path / "rig.pem")}):
        pass


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.7", "rig.example.org"])
def test_beyond_loopback_it_takes_tls_or_an_explicit_word(address: str) -> None:
    with pytest.raises(ValidationError, match=r"takes TLS.*allow_plain_http"):
        ConsoleSettings(address=address)
    assert not ConsoleSettings(address=address, allow_plain_http=True).is_local
    assert not ConsoleSettings(address=address, certificate="rig.pem").is_local


def test_a_port_that_is_taken_is_left_to_who_has_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with served(tmp_path, {"port": port}) as console:
            assert console.server.listening is not None
            assert port < console.server.listening.port <= port + 20
            assert console.visitor.get("/api/rig").status == 200


def test_an_address_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    from rig_capture.console.rig import RigPlace
    from rig_capture.profiles.profile import Profile
    from test.console.parts import NodesAway
    from test.parts import wait_until

    settings = ConsoleSettings(address="192.0.2.7", allow_plain_http=True)
    server = ConsoleServer(settings, RigPlace(Profile(), "/", 7), TOKEN, NodesAway(), lambda listening: None)
    server.start()
    wait_until(lambda: "192.0.2.7" in server.trouble, "what is wrong")
    server.stop()
    assert server.listening is None


def test_the_token_is_made_once_and_kept_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "console" / "root-7.token"
    token = console_token("", file)
    assert (len(token) >= 32, oct(file.stat().st_mode & 0o777)) == (True, "0o600")
    assert console_token("", file) == token
    file.chmod(0o644)
    with pytest.raises(TokenError, match="others may read it"):
        console_token("", file)
    given = tmp_path / "secrets.yaml"
    given.write_text("console_token: correct horse battery\n")
    given.chmod(0o600)
    assert console_token(str(given), file) == "correct horse battery"
    monkeypatch.setenv("RIG_CAPTURE_CONSOLE_TOKEN", "from the environment")
    assert console_token(str(given), file) == "from the environment"
    monkeypatch.setenv("RIG_CAPTURE_CONSOLE_TOKEN", "short")
    with pytest.raises(TokenError, match="5 characters"):
        console_token(str(given), file)
