"""What this machine's environment says of the network: the proxy, the authorities.

Checked before anything is sent, since no waiting repairs it. The values may hold a
password, so a message names the variable and never what is in it.

Both packages hold this file, byte for byte.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # in the order in which they count
SOCKS = frozenset({"socks4", "socks4a", "socks5", "socks5h"})


class UnusableError(ValueError):
    """The environment names what cannot be used; one line, without a full stop."""


@dataclasses.dataclass(frozen=True, slots=True)
class Environment:
    """What holds for one URL, as requests wants it."""

    proxies: dict[str, str] = dataclasses.field(repr=False)  # may hold a password
    verify: str | bool  # the file or folder of authorities that are trusted
    proxy: str | None = dataclasses.field(repr=False)  # a URL, where one is used
    variable: str  # that names the proxy

    def refused(self, status: int, host: str) -> str:
        """Say what to do where the proxy answered so instead of connecting."""
        where = self.variable or "HTTPS_PROXY"
        if status == 407:  # noqa: PLR2004 - a status is clearer than its name
            return (
                f"{where}: the proxy wants a user name and a password that it knows "
                f"(407). Write them into {where} as http://USER:PASSWORD@HOST:PORT"
            )
        return (
            f"{where}: the proxy does not connect to {host} ({status}). Ask who runs "
            f"it, or name {host} in NO_PROXY"
        )


def environment(url: str) -> Environment:
    """Read what the environment says of a URL.

    Raises:
        UnusableError: it names a proxy or a file that cannot be used.
    """
    proxies = get_environ_proxies(url)
    proxy = select_proxy(url, proxies)
    variable = _variable(urlsplit(url).scheme, proxy) if proxy else ""
    if proxy:
        proxy = _checked(proxy, variable)
    verify: str | bool = True
    if name := next((name for name in BUNDLES if os.environ.get(name)), None):
        verify = os.environ[name]
        if any(each and each.startswith("https:") for each in (url.lower(), proxy)):
            _check_bundle(name, verify)
    return Environment(proxies, verify, proxy, variable)


def _variable(scheme: str, proxy: str) -> str:
    """Find the variable that a proxy comes from."""
    for name in (f"{scheme}_proxy", "all_proxy"):
        for each in (name, name.upper()):
            if os.environ.get(each) == proxy:
                return each
    return "The proxy of this system's settings"


def _checked(proxy: str, variable: str) -> str:
    """Return a proxy's URL with its scheme."""
    try:
        proxy = proxy if "://" in proxy else f"http://{proxy}"  # as requests does
        parsed = parse_url(proxy)
    except (LocationParseError, ValueError):
        parsed = None
    scheme = (parsed and parsed.scheme) or ""
    if not (parsed and parsed.host) or scheme not in {"http", "https", *SOCKS}:
        msg = (
            f"{variable} cannot be used: it takes the URL of a proxy, such as "
            "http://HOST:PORT or socks5h://HOST:PORT"
        )
        raise UnusableError(msg)
    if scheme in SOCKS and importlib.util.find_spec("socks") is None:
        msg = (
            f"{variable} names a SOCKS proxy, for which a package is missing. Install "
            "PySocks beside this program (pip install pysocks), or set an HTTP proxy"
        )
        raise UnusableError(msg)
    return proxy


def _check_bundle(name: str, path: str) -> None:
    """Load it once: requests says of a bad one that the connection failed."""
    try:
        if not Path(path).is_dir():
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        why = "holds no certificates in PEM form"
    except OSError as error:
        why = f"cannot be read ({error.strerror or type(error).__name__})"
    except ValueError:
        why = "is no path"
    else:
        return
    msg = (
        f"{name} names {path}, which {why}. Set it to a file of certificates in PEM "
        "form, or unset it"
    )
    raise UnusableError(msg)
