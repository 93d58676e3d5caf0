"""A running sandbox, asked over HTTP: both ends' SQL, its figures, its reset.

Starting and stopping one is `cli`'s.
"""

from __future__ import annotations

from typing import Any

import requests

PROJECT_TOKEN = "phc_sandbox"  # noqa: S105 - the sandbox's only one, and public


class SandboxError(Exception):
    """Something a person at the terminal can put right; one line that says how."""


class Remote:
    """The sandbox at one address. Every method raises SandboxError for no answer."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy has no business on the loopback

    def stats(self) -> dict[str, Any] | None:
        """Give the sandbox's pid, data folder and figures; None if nothing is there.

        Raises:
            SandboxError: another program has the port, or the sandbox is not well.
        """
        try:
            answer = self._session.get(f"{self.url}/sandbox/patterns/stats", timeout=10)
        except requests.ConnectionError:
            return None
        except requests.RequestException as exc:
            msg = (
                f"what has port {self.port} does not answer ({type(exc).__name__});"
                " end it, or choose another --port"
            )
            raise SandboxError(msg) from None
        try:
            value: dict[str, Any] = answer.json()
            if isinstance(value["pid"], int):
                return value
        except (ValueError, KeyError, TypeError):
            pass
        msg = f"port {self.port} is taken by another program; choose one with --port"
        raise SandboxError(msg)

    def posthog(self, sql: str) -> list[list[Any]]:
        """Give the rows of a ClickHouse SELECT on PostHog's side."""
        rows: list[list[Any]] = self._post("posthog/sql", {"sql": sql})["data"]
        return rows

    def patterns(self, sql: str) -> tuple[list[str], list[list[Any]]]:
        """Give columns and rows of a DuckDB SELECT on what the webhook received."""
        answer = self._post("patterns/sql", {"sql": sql})
        return answer["columns"], answer["rows"]

    def put(self, what: str, name: str, rows: list[dict[str, Any]]) -> None:
        """Put rows into one of PostHog's ``tables`` or objects into ``lists``."""
        self._send("PUT", f"posthog/{what}/{name}", rows)

    def reset(self) -> None:
        """Let the sandbox forget everything."""
        self._post("reset", {})

    def _post(self, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        return self._send("POST", path, body)

    def _send(self, method: str, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
        url = f"{self.url}/sandbox/{path}"
        try:
            answer = self._session.request(method, url, json=body, timeout=120)
        except requests.RequestException:
            msg = f"no sandbox answers at {self.url}; start one: sandbox up"
            raise SandboxError(msg) from None
        if not answer.ok:
            text = " ".join(answer.text.split())[:300]
            msg = f"the sandbox answered {answer.status_code} to /{path}: {text}"
            raise SandboxError(msg)
        return answer.json() if answer.content else None
