"""PostHog's on-demand exports over HTTP: ask, poll, download by a signed address.

Source: BE/presentation/views/file_download.py of PostHog.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.exports.layout import Layout
from sandbox.posthog import access
from sandbox.posthog.errors import invalid, not_found
from sandbox.posthog.fields import text
from sandbox.posthog.instants import clickhouse

if TYPE_CHECKING:
    from starlette.requests import Request

    from sandbox.posthog.state import State

RUNS = "/api/projects/{project}/file_download_batch_exports"
WRITE, READ = "batch_export:write", "batch_export:read"
LONGEST = timedelta(days=7)
LATE = timedelta(days=7)  # of a window that is older than that
EARLY = timedelta(days=1)
LIFETIME = timedelta(hours=1)  # of a signed address
CODECS = {"zstd": "zst", "gzip": "gz", "brotli": "br"}


class Asked(msgspec.Struct):
    """The body of a new run; what PostHog does not know it ignores."""

    file: dict[str, Any]
    data_interval_start: str = ""
    data_interval_end: str = ""
    model: str = "events"
    include: list[str] = []
    exclude: list[str] = []


@dataclass
class Run:
    """One export."""

    end: str  # the status that it comes to
    polls: int  # that say Running before
    files: list[bytes] = field(default_factory=list)
    records: int = 0
    asked: datetime = field(default_factory=lambda: datetime.now(UTC))


class ExportsApi:
    """The endpoints, and the runs that they made."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._runs: dict[str, Run] = {}

    def forget(self) -> None:
        """Have no run."""
        self._runs.clear()

    def routes(self) -> list[Route]:
        """Say which paths there are."""
        made = []
        for slash in ("/", ""):
            one = f"{RUNS}/{{run}}"
            made += [
                Route(f"{RUNS}{slash}", self.ask, methods=["POST"]),
                Route(f"{RUNS}{slash}", self.list, methods=["GET"]),
                Route(f"{one}{slash}", self.poll, methods=["GET"]),
                Route(f"{one}/cancel{slash}", self.cancel, methods=["POST"]),
                Route(f"{one}/download/{{file}}{slash}", self.sign, methods=["GET"]),
            ]
        path = "/export-files/{run}/{file}"
        return [*made, Route(path, self.download, methods=["GET"])]

    async def ask(self, request: Request) -> Response:
        """Begin a run, which is billed."""
        access.authorize(request, self._state.behaviour, WRITE)
        try:
            asked = msgspec.json.decode(await request.body(), type=Asked)
            start = _instant(asked.data_interval_start)
            end = _instant(asked.data_interval_end)
        except (ValueError, msgspec.MsgspecError) as exc:
            raise invalid(str(exc)) from None
        now = self._state.behaviour.now()
        if start > end:
            msg = "'data_interval_end' must occur after 'data_interval_start'"
            raise invalid(msg)
        if end - start > LONGEST:
            msg = "data interval range too big. Batch exports are limited to 7 days"
            raise invalid(msg)
        if end > now:
            msg = "'data_interval_end' cannot be in the future"
            raise invalid(msg, attr="data_interval_end")
        switches = self._state.behaviour
        ends = switches.export_ends
        number = len(self._runs)
        run = Run(
            ends[number] if number < len(ends) else "Completed", switches.export_polls
        )
        if run.end == "Completed":
            await self._make(run, asked, start, end)
        name = str(uuid.uuid4())
        self._runs[name] = run
        return JSONResponse({"id": name}, 202)

    async def _make(
        self, run: Run, asked: Asked, start: datetime, end: datetime
    ) -> None:
        where = [
            f"events.visible_at >= toDateTime64('{clickhouse(start)}', 6, 'UTC')",
            f"events.visible_at < toDateTime64('{clickhouse(end)}', 6, 'UTC')",
            f"events.team_id = {access.PROJECT}",
        ]
        if self._state.behaviour.now() - end > LATE:  # PostHog reads another table
            early, late = clickhouse(start - LATE), clickhouse(end + EARLY)
            where += [
                f"events.timestamp >= toDateTime64('{early}', 6, 'UTC')",
                f"events.timestamp < toDateTime64('{late}', 6, 'UTC')",
            ]
        for names, how in ((asked.include, "in"), (asked.exclude, "not in")):
            if names:
                where.append(f"event {how} ({', '.join(map(text, names))})")
        rows = await self._state.table.values(
            "select toString(uuid), toUnixTimestamp64Micro(timestamp),"  # noqa: S608 - quoted
            " toUnixTimestamp64Micro(visible_at), toUnixTimestamp64Micro(created_at),"
            " event, properties, distinct_id, elements_chain, toString(person_id)"
            f" from events where {' and '.join(where)}"
        )
        given = [
            {
                "uuid": row[0],
                "timestamp": _at(row[1]),
                "_inserted_at": _at(row[2]),
                "created_at": _at(row[3]),
                "event": row[4],
                "properties": row[5],
                "distinct_id": row[6],
                "elements_chain": row[7],
                "person_id": row[8],
                "person_properties": "{}",
            }
            for row in rows
        ]
        form = "jsonl" if asked.file.get("format") == "JSONLines" else "parquet"
        layout = Layout(
            format=form,
            codec=CODECS.get(str(asked.file.get("compression")), ""),
            rows_a_part=self._state.behaviour.export_rows_a_part,
            prefix="",
        )
        run.records = len(given)
        given = given[: len(given) - self._state.behaviour.export_lacks]
        with tempfile.TemporaryDirectory() as folder:
            keys = sorted(layout.write(Path(folder), start, end, given))
            run.files = [(Path(folder) / key).read_bytes() for key in keys]

    async def list(self, request: Request) -> Response:
        """Answer the runs, the newest first: no interval, no model."""
        access.authorize(request, self._state.behaviour, READ)
        runs = [{"id": n, "status": self._status(r)} for n, r in self._runs.items()]
        runs.reverse()
        body = {"count": len(runs), "next": None, "previous": None, "results": runs}
        return JSONResponse(body)

    async def poll(self, request: Request) -> Response:
        """Answer how far a run is."""
        access.authorize(request, self._state.behaviour, READ)
        run = self._run(request)
        status = self._status(run)
        run.polls -= run.polls > 0
        body: dict[str, Any] = {"status": status}
        if status == "Completed":
            names = [self._file(request, n) for n in range(len(run.files))]
            body |= {"files": names, "records_completed": run.records}
        elif status not in {"Running", "Starting", "Cancelled"}:
            body["error"] = "The export did not end well."
        return JSONResponse(body)

    async def cancel(self, request: Request) -> Response:
        """End a run."""
        access.authorize(request, self._state.behaviour, WRITE)
        run = self._run(request)
        if self._status(run) != "Running":
            msg = "This export is not running"
            raise invalid(msg)
        run.end, run.polls = "Cancelled", 0
        return JSONResponse({"status": "Cancelled"})

    async def sign(self, request: Request) -> Response:
        """Send the reader on to an address that opens one file for a while."""
        access.authorize(request, self._state.behaviour, READ)
        run, name = self._run(request), request.path_params["run"]
        if self._status(run) != "Completed":
            msg = "This file download is not complete"
            raise invalid(msg)
        names = [self._file(request, n) for n in range(len(run.files))]
        asked = request.path_params["file"]
        number = int(asked) if asked.isdecimal() else -1
        if asked in names:
            number = names.index(asked)
        if not 0 <= number < len(names):
            msg = f"No files with index {asked}"
            raise not_found(msg)
        until = datetime.now(UTC) + LIFETIME
        query = (
            f"X-Signature={_signature(name, number)}&X-Until={until.timestamp():.0f}"
        )
        url = f"{request.base_url}export-files/{name}/{number}?{query}"
        return RedirectResponse(url, 302, {"Cache-Control": "no-store"})

    async def download(self, request: Request) -> Response:
        """Give a file, or the rest of it, to who has its address and no key."""
        name, number = request.path_params["run"], int(request.path_params["file"])
        given = request.query_params
        if "authorization" in request.headers:  # as S3: one way in at a time
            return Response("Only one auth mechanism allowed", 400)
        if given.get("X-Signature") != _signature(name, number):
            return Response("SignatureDoesNotMatch", 403)
        if float(given.get("X-Until", 0)) < datetime.now(UTC).timestamp():
            return Response("Request has expired", 403)
        whole = self._runs[name].files[number]
        etag = f'"{hashlib.md5(whole).hexdigest()}"'  # noqa: S324 - as S3
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        if asked and request.headers.get("if-range", etag) == etag:
            first = int(asked[1])
            span = f"bytes {first}-{len(whole) - 1}/{len(whole)}"
            return Response(whole[first:], 206, {"ETag": etag, "Content-Range": span})
        return Response(whole, 200, {"ETag": etag})

    def _run(self, request: Request) -> Run:
        run = self._runs.get(request.path_params["run"])
        if run is None:
            msg = "Not found."
            raise not_found(msg)
        return run

    def _status(self, run: Run) -> str:
        return "Running" if run.polls else run.end

    def _file(self, request: Request, number: int) -> str:
        return str(uuid.uuid5(uuid.UUID(request.path_params["run"]), str(number)))


def _instant(given: str) -> datetime:
    at = datetime.fromisoformat(given)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _at(micros: int | str) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(micros))


def _signature(run: str, number: int) -> str:
    return hashlib.sha256(f"sandbox {run} {number}".encode()).hexdigest()
