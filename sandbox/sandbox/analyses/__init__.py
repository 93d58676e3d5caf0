"""What an analyst asks of the events that the webhook received: one SQL file each.

The first line of a file says what it answers. `people.sql` is put before each, and
`activities.sql` before what only rows in `record_format: activity` can answer.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from sandbox import text
from sandbox.remote import SandboxError

if TYPE_CHECKING:
    from sandbox.remote import Remote

ANALYSES = ("funnel", "retention", "lifetime_value", "churn", "lead_scoring")
ON_ACTIVITIES = ("first_purchase",)


def run(remote: Remote, name: str) -> str:
    """Ask one, and give its title and its table as text."""
    title, sql = query(name)
    columns, rows = remote.patterns(sql)
    if not remote.patterns("select 1 from webhook limit 1")[1]:
        msg = "the webhook has received nothing yet; first: meltano run demo"
        raise SandboxError(msg)
    return f"{title}\n\n{text.table(columns, rows)}"


def query(name: str) -> tuple[str, str]:
    """Give the title and the SQL of one."""
    folder = resources.files("sandbox.analyses")
    shared = "activities" if name in ON_ACTIVITIES else "people"
    before = folder.joinpath(f"{shared}.sql").read_text()
    own = folder.joinpath(f"{name}.sql").read_text()
    return own.partition("\n")[0].removeprefix("-- "), before + own
