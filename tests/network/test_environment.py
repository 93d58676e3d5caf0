"""What this machine's environment names for the network, in both programs."""

from __future__ import annotations

import base64
import os
from contextlib import closing
from typing import TYPE_CHECKING

import certifi
import pytest

from tap_posthog.errors import ConfigError as TapError
from tap_posthog.http import environment as tap
from target_patterns_webhook.errors import ConfigError as TargetError
from target_patterns_webhook.http import environment as target
from tests.network.attempts import PROGRAMS, SECRET
from tests.support import certificate
from tests.support.raw import RawServer
from tests.support.receiver import Receiver

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.network.attempts import Attempt
    from tests.support.raw import Talk

    Program = Callable[..., Attempt]

both = pytest.mark.parametrize("program", PROGRAMS, ids=["tap", "target"])
HTTPS, HTTP = "https://posthog.example", "http://posthog.example"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
TUNNELLED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an environment that says nothing of the network."""
    names = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]
    names += ["requests_ca_bundle", "curl_ca_bundle", "ssl_cert_file"]
    for name in names:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for 127.0.0.1 that nobody trusts, and its authority's file."""
    return certificate.make(tmp_path_factory.mktemp("tls"))


FOLDER = "FOLDER"  # replaced by one of the test's own


@pytest.mark.parametrize(
    ("variables", "url", "says"),
    [
        pytest.param(
            {"ALL_PROXY": "socks5://u:canary@127.0.0.1:1080"},
            HTTPS,
            "ALL_PROXY names a SOCKS proxy, for which a package is missing",
            id="socks-for-all",
        ),
        pytest.param(
            {"https_proxy": "socks5h://127.0.0.1:1080"},
            HTTPS,
            "https_proxy names a SOCKS proxy",
            id="socks-for-https",
        ),
        pytest.param(
            {"http_proxy": "socks4://canary@127.0.0.1:1080"},
            HTTP,
            "http_proxy names a SOCKS proxy",
            id="socks-for-http",
        ),
        pytest.param(
            {"HTTPS_PROXY": "ftp://u:canary@127.0.0.1"},
            HTTPS,
            "HTTPS_PROXY cannot be used: it takes the URL of a proxy",
            id="another-scheme",
        ),
        pytest.param(
            {"HTTPS_PROXY": "socks://canary@127.0.0.1"},
            HTTPS,
            "HTTPS_PROXY cannot be used: it takes the URL of a proxy",
            id="socks-without-a-version",
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://u:canary@"},
            HTTPS,
            "HTTPS_PROXY cannot be used",
            id="no-host",
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://u:canary@proxy:port"},
            HTTPS,
            "HTTPS_PROXY cannot be used",
            id="port-no-number",
        ),
        pytest.param(
            {"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"},
            HTTPS,
            "REQUESTS_CA_BUNDLE names /nowhere/ca.pem, which cannot be read (No such",
            id="no-bundle",
        ),
        pytest.param(
            {"CURL_CA_BUNDLE": "/nowhere/ca.pem"},
            HTTPS,
            "CURL_CA_BUNDLE names /nowhere/ca.pem, which cannot be read (No such",
            id="no-bundle-of-curl",
        ),
        pytest.param(
            {"REQUESTS_CA_BUNDLE": "/etc/hostname"},
            HTTPS,
            "REQUESTS_CA_BUNDLE names /etc/hostname, which holds no certificates",
            id="no-certificates",
        ),
        pytest.param(
            {"REQUESTS_CA_BUNDLE": "/nowhere", "https_proxy": "", "HTTP_PROXY": ""},
            HTTPS,
            "REQUESTS_CA_BUNDLE names /nowhere, which cannot be read",
            id="empty-proxies",
        ),
        pytest.param(
            {"REQUESTS_CA_BUNDLE": "/nowhere", "http_proxy": "https://127.0.0.1"},
            HTTP,
            "REQUESTS_CA_BUNDLE names /nowhere, which cannot be read",
            id="https-proxy-for-http",
        ),
    ],
)
def test_what_cannot_be_used_is_said_before_any_request(
    variables: Mapping[str, str], url: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line names the variable, and never what is in it that may be a secret."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    for program, error in zip(PROGRAMS, (TapError, TargetError), strict=True):
        with pytest.raises(error) as told:
            program(url)
        assert str(told.value).startswith(says)
        assert "canary" not in str(told.value)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("variables", "url", "verify", "proxy"),
    [
        pytest.param({}, HTTPS, True, None, id="nothing"),
        pytest.param(
            {"SSL_CERT_FILE": "/nowhere"}, HTTPS, True, None, id="not-read-by-requests"
        ),
        pytest.param(
            {"REQUESTS_CA_BUNDLE": "/nowhere"}, HTTP, "/nowhere", None, id="no-tls"
        ),
        pytest.param(
            {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": certifi.where()},
            HTTPS,
            certifi.where(),
            None,
            id="empty",
        ),
        pytest.param(
            {"REQUESTS_CA_BUNDLE": "/etc"}, HTTPS, "/etc", None, id="a-folder"
        ),
        pytest.param(
            {"HTTPS_PROXY": "127.0.0.1:3128"},
            HTTPS,
            True,
            ("http://127.0.0.1:3128", "HTTPS_PROXY"),
            id="without-scheme",
        ),
        pytest.param(
            {"ALL_PROXY": "http://a:1", "https_proxy": "http://b:2"},
            HTTPS,
            True,
            ("http://b:2", "https_proxy"),
            id="the-nearer-one",
        ),
        pytest.param(
            {"ALL_PROXY": "socks5://a:1", "NO_PROXY": "posthog.example"},
            HTTPS,
            True,
            None,
            id="spared",
        ),
        pytest.param(
            {"HTTPS_PROXY": "socks5://a:1"}, HTTP, True, None, id="for-another-scheme"
        ),
    ],
)
def test_what_can_be_used_is_used(
    variables: Mapping[str, str],
    url: str,
    verify: str | bool,  # noqa: FBT001 - a path, or not
    proxy: tuple[str, str] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As requests reads it, and no more is refused than what would fail."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    for module in (tap, target):
        found = module.environment(url)
        assert found.verify == verify
        assert (found.proxy, found.variable) == (proxy or (None, ""))


def refusing(status: int) -> Callable[[Talk], None]:
    """Make a proxy that answers every request so, CONNECT or not."""
    answer = b"HTTP/1.1 %d No\r\nContent-Length: 6\r\n\r\ncanary" % status

    def play(talk: Talk) -> None:
        talk.read()
        talk.send(answer)

    return play


@both
@pytest.mark.parametrize(
    ("status", "url", "final", "says"),
    [
        (407, HTTPS, True, "all_proxy: the proxy wants a user name and a password"),
        (407, HTTP, True, "all_proxy: the proxy wants a user name and a password"),
        (403, HTTPS, True, "all_proxy: the proxy does not connect to posthog.example"),
        (502, HTTPS, False, "proxy"),
    ],
)
def test_a_proxy_that_refuses_is_named_by_its_variable(  # noqa: PLR0913, PLR0917 - a row of a table
    program: Program,
    status: int,
    url: str,
    final: bool,  # noqa: FBT001 - as above
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At once where the proxy wants a password or forbids; not where it is down."""
    with RawServer(refusing(status)) as proxy:
        monkeypatch.setenv("all_proxy", f"http://me:canary@127.0.0.1:{proxy.port}")
        with closing(program(url)) as attempt:
            came = attempt()

    assert (came.what, came.final) == ("proxy", final)
    assert says in came.words
    assert "canary" not in came.words


@both
@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy_gets_its_password_and_the_server_does_not(
    program: Program,
    tls: bool,  # noqa: FBT001 - a parameter
    authority: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through CONNECT and TLS, or as a forwarded request."""
    inner: list[bytes] = []

    def play(talk: Talk) -> None:
        talk.read()
        if tls:
            talk.send(TUNNELLED)
            talk.upgrade(authority[0])
            inner.append(talk.read())
        talk.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)

    with RawServer(play) as proxy:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority[1]))
        monkeypatch.setenv("ALL_PROXY", f"http://me:pass%20word@127.0.0.1:{proxy.port}")
        url = "https://127.0.0.1:1" if tls else "http://posthog.example"
        with closing(program(url)) as attempt:
            assert attempt().what == "200"

    password = base64.b64encode(b"me:pass word")
    assert b"Proxy-Authorization: Basic " + password in proxy.heads[0]
    assert (b"CONNECT 127.0.0.1:1 " in proxy.heads[0]) == tls
    if tls:
        assert SECRET.encode() not in proxy.heads[0]
        assert b"Proxy-Authorization" not in inner[0]


@both
@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
def test_a_proxy_may_speak_tls_itself(
    program: Program,
    close: bytes,
    authority: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What comes through it is read to the end, on a connection that is kept or not.

    Of a plain http URL's https proxy requests itself checks no certificate.
    """

    def play(talk: Talk) -> None:
        talk.upgrade(authority[0])
        for _ in range(1 if close else 2):
            talk.read()
            talk.send(OK.replace(b"Content", close + b"Content"))

    with RawServer(play) as proxy:
        monkeypatch.setenv("http_proxy", f"https://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority[1]))
        with closing(program(HTTP)) as attempt:
            found = [attempt().what for _ in range(2)]

    assert found == ["200", "200"]
    assert len(proxy.talks) == (2 if close else 1)


@both
def test_a_proxy_that_is_not_there_is_named(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be back soon, so it is tried again."""
    monkeypatch.setenv("https_proxy", "http://me:canary@127.0.0.1:9")
    with closing(program(HTTPS)) as attempt:
        came = attempt()

    assert (came.what, came.final) == ("proxy", False)
    assert "canary" not in came.words


@both
def test_a_private_authority_is_trusted_where_it_is_named(
    program: Program,
    authority: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without it the certificate is not, and no waiting repairs that."""
    with Receiver(tls=authority[0]) as server:
        url = f"https://127.0.0.1:{server.port}"
        with closing(program(url)) as attempt:
            refused = attempt()
        monkeypatch.setenv("CURL_CA_BUNDLE", str(authority[1]))
        with closing(program(url)) as attempt:
            trusted = attempt()

    assert (refused.what, refused.final) == ("TLS", True)
    assert "REQUESTS_CA_BUNDLE" in refused.words
    assert trusted.what == "200"
    assert os.environ.get("REQUESTS_CA_BUNDLE") is None
