"""The sandbox as a real process, for tests. What it does is its own business."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import requests
from requests import Response

if TYPE_CHECKING:
    from typing import Self

API_KEY = "phx_sandbox"
PROJECT_TOKEN = "phc_sandbox"  # noqa: S105 - opens the sandbox only


class Sandbox:
    """One process on a free port, over a temporary folder; stopped at the end."""

    def __init__(self, side: str = "posthog") -> None:
        self.side = side

    def __enter__(self) -> Self:
        """Start it; return when it accepts requests."""
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-")
        self._session = requests.Session()
        self._start("0")
        return self

    def _start(self, port: str) -> None:
        command = [sys.executable, "-m", "sandbox.serve", "--port", port]
        self._process = subprocess.Popen(
            [*command, "--data", self._folder.name, "--side", self.side],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        assert ready.startswith("sandbox ready on "), ready
        self.url = ready.split()[-1]

    def __exit__(self, *_: object) -> None:
        """Stop it, and forget its folder."""
        self._session.close()
        self._stop()
        self._folder.cleanup()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        finally:
            self.kill()

    def restart(self) -> None:
        """Stop it and start it again at the same address, over the same folder."""
        self._stop()
        self._start(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """End the process at once, as SIGKILL does."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _control(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON
        url = f"{self.url}/sandbox/{path}"
        answer = self._session.request(method, url, json=body, timeout=300)
        assert answer.ok, answer.text
        return answer.json()

    def sql(self, sql: str) -> list[list[Any]]:
        """Run ClickHouse's own SQL on the table `events`; give the rows."""
        rows: list[list[Any]] = self._control("POST", "posthog/sql", {"sql": sql})[
            "data"
        ]
        return rows

    def put(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Put rows into a table that HogQL names; newer ones replace older ones."""
        self._control("PUT", f"posthog/tables/{table}", rows)

    def put_list(self, kind: str, objects: list[dict[str, Any]]) -> None:
        """Put objects into a REST list; the same id replaces, `_gone` ends one."""
        self._control("PUT", f"posthog/lists/{kind}", objects)

    def get(self, path: str, *, key: str = API_KEY, **asked: Any) -> Response:  # noqa: ANN401 - passed on
        """Get one of PostHog's own paths as an API client would."""
        return requests.get(
            path if path.startswith("http") else f"{self.url}/api/{path}",
            params={name: str(value) for name, value in asked.items()},
            headers={"Authorization": f"Bearer {key}"},
            timeout=300,
        )

    def behave(self, **patch: object) -> None:
        """Turn switches of PostHog's side."""
        self._control("PATCH", "posthog/behaviour", patch)

    def fault(self, *rules: dict[str, Any], seed: int = 1) -> None:
        """Put these faults in force, instead of all others."""
        self._control("PUT", "faults", {"seed": seed, "rules": rules})

    def requests(self) -> list[dict[str, Any]]:
        """Say which requests there were."""
        entries: list[dict[str, Any]] = self._control("GET", "posthog/requests")
        return entries

    def forget_requests(self) -> None:
        """Start a new list of requests."""
        self._control("DELETE", "posthog/requests")

    def reset(self) -> None:
        """Forget data, requests, faults and switches."""
        self._control("POST", "reset")

    def hogql(self, sql: str, **query: Any) -> list[list[Any]]:  # noqa: ANN401 - passed on
        """Ask as an API client would; give the rows."""
        answer = self.post_query(sql, **query)
        assert answer.ok, answer.text
        rows: list[list[Any]] = answer.json()["results"]
        return rows

    def post_query(
        self,
        sql: str,
        *,
        key: str = API_KEY,
        project: str = "1",
        refresh: str | None = "force_blocking",
        **query: object,
    ) -> Response:
        """Post to the query endpoint; further arguments go into `query`."""
        body: dict[str, Any] = {"query": {"kind": "HogQLQuery", "query": sql} | query}
        if refresh:
            body["refresh"] = refresh
        return requests.post(
            f"{self.url}/api/projects/{project}/query/",
            json=body,
            headers={"Authorization": f"Bearer {key}"},
            timeout=300,
        )
