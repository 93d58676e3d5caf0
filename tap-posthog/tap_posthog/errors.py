"""What can go wrong, named by what the run should do next. No I/O.

    TapError                 ends the run: one line on stderr, `exit_code` as the status
    ├── ConfigError          a setting: the user edits it
    ├── StateError           the state or catalog that came in: the user edits it
    ├── PostHogError         PostHog answered, and trying again will not help
    │   ├── AuthError        401, 403: the key
    │   ├── ProjectError     404: project_id or base_url
    │   │   └── MissingEndpointError   an old server: read its events list
    │   ├── QuotaError       402: the plan
    │   ├── QueryError       400 and what else is no answer to our question
    │   └── ForeignError     a firewall or login page that answers in its place
    ├── TooHeavyError        504, 512, 524: the caller asks for less
    ├── LostAnswerError      it may have been carried out: it is not sent again blindly
    ├── GaveUpError          waited max_wait_seconds: run again later
    ├── AuditError           the server counts rows that it does not give: exit code 4
    └── OutputError          who reads stdout has gone

Each carries one line: what happened, then what to do. None shows the API key.
"""

from __future__ import annotations

from typing import ClassVar


class TapError(Exception):
    """The run ends here, with this one line for the user."""

    exit_code: ClassVar[int] = 1


class ConfigError(TapError):
    """A setting cannot be used; names the key, what it got and what it takes."""


class StateError(TapError):
    """The state or the catalog that came in cannot be read."""


class PostHogError(TapError):
    """PostHog answered, and the same request would be answered the same way."""

    said: str = ""  # PostHog's own words


class AuthError(PostHogError):
    """The key is wrong, in the wrong region, or lacks scope or project (401, 403)."""


class ProjectError(PostHogError):
    """There is no such project or endpoint (404)."""


class MissingEndpointError(ProjectError):
    """The server has no query endpoint: `auto` reads the events list instead."""


class QuotaError(PostHogError):
    """The organisation's plan does not allow it (402)."""


class QueryError(PostHogError):
    """PostHog refused the question (400), or did not answer as it should."""


class ForeignError(PostHogError):
    """What answered, for good, is not PostHog: a firewall, a proxy, a login page."""


class TooHeavyError(TapError):
    """One query was too much for the server (504, 512, 524): ask for less at once."""


class LostAnswerError(TapError):
    """A request that must not be repeated may have been carried out, or not."""


class GaveUpError(TapError):
    """Rate limits or faults lasted longer than `max_wait_seconds`."""


class AuditError(TapError):
    """PostHog counts more rows in a window than it gives."""

    exit_code = 4  # an orchestrator may tell a gap from other errors


class FilesError(TapError):
    """Exported files cannot be listed or read, or are not what they should be."""


class OutputError(TapError):
    """The program that read the tap's output has gone, or the disk is full."""
