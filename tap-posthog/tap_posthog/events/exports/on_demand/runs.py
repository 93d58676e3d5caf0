"""On-demand exports at PostHog: to ask for one, to wait for it, to find its files.

To ask is billed and makes a new export each time, so a request whose answer was lost is
never simply sent again. Source: presentation/views/file_download.py of PostHog's batch
exports.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_posthog import timestamps
from tap_posthog.api.transport import Request
from tap_posthog.errors import FilesError, LostAnswerError, ProjectError, QueryError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tap_posthog.api.client import Client
    from tap_posthog.api.transport import Response
    from tap_posthog.events.event_names import Names
    from tap_posthog.settings.settings import Settings

FIRST_POLL, POLL_GROWTH, LONGEST_POLL = 2.0, 1.5, 30.0  # seconds, and a factor
LONGEST_RUN = 6 * 3600.0  # seconds
FILE = {"format": "Parquet", "compression": "zstd", "max_size_mb": 128}
LOOKED_AT = 20  # newest runs, to find one whose answer was lost
ASKED = 3  # times, where it was surely not begun before
UNDER_WAY = {"Starting", "Running"}
COMPLETED, UNKNOWN, BILLING = "Completed", "unknown", "FailedBilling"


class Made(NamedTuple):
    """What an export has come to."""

    files: tuple[str, ...]  # their ids, in the order of their keys
    records: int | None  # that PostHog exported, where it says so


class Runs:
    """Asks one project for exports of its events."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take who asks."""
        self._client = client
        self._path = f"/api/projects/{settings.project_id}/file_download_batch_exports/"
        self._sleep, self._clock = sleep, clock

    def ask(self, start: datetime, end: datetime, names: Names) -> str:
        """Ask for what was ingested in a time; return the id of the run.

        Raises:
            FilesError: this PostHog makes none, or the answer was lost for good.
        """
        listed = sorted(names.listed)
        body = {
            "model": "events",
            "data_interval_start": timestamps.spell(start),
            "data_interval_end": timestamps.spell(end),
            "include": [] if names.all_but else listed,
            "exclude": listed if names.all_but else [],
            "file": FILE,
        }
        request = Request(
            method="POST",
            path=self._path,
            body=msgspec.json.encode(body),
            good=202,
            repeatable=False,
        )
        for _ in range(ASKED):
            known = self.newest()
            try:
                answer = self._call(request)
            except LostAnswerError:
                new = [run for run in self.newest() if run not in known]
                if len(new) == 1:
                    return new[0]
                if new:
                    break
            else:
                return str(answer["id"])
        msg = (
            "PostHog's answer to the request for an export was lost. It may be making "
            "one, which would be billed; look at its list of exports, then run again"
        )
        raise FilesError(msg)

    def newest(self) -> list[str]:
        """Return the ids of the newest runs.

        Raises:
            FilesError: this PostHog has no such exports.
        """
        params = {"limit": str(LOOKED_AT)}
        try:
            found = self._call(Request(method="GET", path=self._path, params=params))
        except ProjectError as error:
            if "project" in error.said.lower():
                raise
            msg = (
                "This PostHog makes no exports on demand (404), as it does on PostHog "
                "Cloud only. Set events_source to files or query"
            )
            raise FilesError(msg) from None
        return [str(each["id"]) for each in found["results"]]

    def wait(self, run: str) -> Made | str:
        """Return what a run has made, or how else it ended.

        Raises:
            FilesError: the organisation may not export more, or it takes too long.
        """
        began, pause = self._clock(), FIRST_POLL
        request = Request(method="GET", path=f"{self._path}{run}/")
        while True:
            self._sleep(pause)
            pause = min(pause * POLL_GROWTH, LONGEST_POLL)
            try:
                found = self._call(request)
            except ProjectError:
                return UNKNOWN
            status = str(found["status"])
            if status == COMPLETED:
                files = tuple(map(str, found.get("files") or ()))
                return Made(files, found.get("records_completed"))
            if status == BILLING:
                msg = (
                    "PostHog refuses to export more rows: the organisation's limit on "
                    "exports is used up. Raise it in PostHog's billing settings, or "
                    "set events_source to query"
                )
                raise FilesError(msg)
            if status not in UNDER_WAY:
                return status
            if self._clock() - began > LONGEST_RUN:
                self._cancel(run)
                msg = (
                    "PostHog has not finished an export in "
                    f"{LONGEST_RUN / 3600:.0f} hours; it was cancelled. Run again later"
                )
                raise FilesError(msg)

    def address(self, run: str, file: str) -> str | None:
        """Return where a file can be fetched for a while. None: it is gone."""
        path = f"{self._path}{run}/download/{file}/"
        request = Request(method="GET", path=path, good=302)
        try:
            return str(self._client.call(request, _location, alone=True))
        except (ProjectError, QueryError):
            return None

    def _cancel(self, run: str) -> None:
        self._call(Request(method="POST", path=f"{self._path}{run}/cancel/"))

    def _call(self, request: Request) -> Any:  # noqa: ANN401 - JSON
        return self._client.call(request, _object, divisible=False, alone=True)


def _object(response: Response) -> Any:  # noqa: ANN401 - JSON
    """Decode an answer.

    Raises:
        ValueError: it is no object.
    """
    found = response.json()
    if not isinstance(found, dict):
        msg = "the answer is no object"
        raise ValueError(msg)  # noqa: TRY004 - what the client expects
    return found


def _location(response: Response) -> str:
    """Return where an answer leads.

    Raises:
        ValueError: nowhere.
    """
    location = response.headers.get("Location")
    if not location:
        msg = "the answer leads nowhere"
        raise ValueError(msg)
    return location
