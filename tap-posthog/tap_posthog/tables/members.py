"""The members of cohorts: each cohort a scan of its own, where its version moved.

PostHog works a dynamic cohort out anew under a new version, perhaps while it is read:
it is read again then. Static cohorts have no version, and are read in each run.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tap_posthog.tables.position import Scan
from tap_posthog.tables.questions import Questions
from tap_posthog.tables.source import Batch, TableSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_posthog.tables.reader import TableReader

logger = logging.getLogger("tap-posthog")

COHORTS = (
    "select id, version, is_static from system.cohorts "
    "where deleted = 0 and {which} order by id limit 1000"
)
TRIES = 3  # of a cohort that is worked out anew meanwhile


@dataclass(frozen=True, slots=True)
class Cohort:
    """One cohort, as it is now."""

    id: int
    version: int  # 0: it has none, or was not worked out yet
    is_static: bool  # its members were listed


class MembersSource(TableSource):
    """Reads the members of all cohorts, the lowest number first."""

    def read(self) -> Iterator[Batch]:
        """Read each cohort whose version moved, and each static one."""
        begun = self.position.scan or Scan()
        cohorts = self._cohorts()
        known = dict(self.position.versions)
        there = {each.id for each in cohorts}
        versions = tuple(pair for pair in known.items() if pair[0] in there)
        self.position = replace(self.position, versions=versions)
        for cohort in cohorts:
            if begun.after and cohort.id < begun.after[0]:
                continue
            if cohort.is_static or known.get(cohort.id) != cohort.version:
                yield from self._cohort(cohort, begun)
        self.position = replace(
            self.position, scan=None, scanned_at=self._client.server_now()
        )
        yield Batch((), self.position)

    def _cohort(self, cohort: Cohort, begun: Scan) -> Iterator[Batch]:
        """Read one; its place is (cohort, version, person)."""
        for tries in range(TRIES):
            after: tuple[Any, ...] = ()
            if not tries and begun.after[:2] == (cohort.id, cohort.version):
                after = begun.after[2:]
            for batch in self.pass_on(self._members(cohort).read(after)):
                if batch.position and batch.position.scan:
                    place = (cohort.id, cohort.version, *batch.position.scan.after)
                    self.position = batch.position.at(place)
                    yield Batch((), self.position)
                else:
                    yield batch
            if cohort.is_static:
                return
            (found,) = self._ask(f"id = {cohort.id}") or (None,)
            if found is None:
                return
            if found.version == cohort.version:
                versions = dict(self.position.versions) | {cohort.id: cohort.version}
                pairs = tuple(sorted(versions.items()))
                self.position = replace(self.position, versions=pairs)
                yield Batch((), self.position)
                return
            cohort = found
        logger.warning(
            "cohort_members: cohort %d is worked out faster than it can be read; the "
            "next run reads it again",
            cohort.id,
        )

    def _members(self, cohort: Cohort) -> TableReader:
        version = "toInt(null)" if cohort.is_static else f"toInt('{cohort.version}')"
        columns = self._columns | {
            "cohort_version": replace(self._columns["cohort_version"], source=version)
        }
        return self.reader_of(
            Questions(
                source="static_cohort_people" if cohort.is_static else "cohort_people",
                order=(columns["person_id"],),
                columns=tuple(columns[name] for name in self._given),
                where=(f"cohort_id = {cohort.id}",),
            )
        )

    def _cohorts(self) -> list[Cohort]:
        """Ask for all cohorts."""
        found: list[Cohort] = []
        after = -1
        while page := self._ask(f"id > {after}"):
            found += page
            after = page[-1].id
        return found

    def _ask(self, which: str) -> list[Cohort]:
        return self.answers.ask(COHORTS.format(which=which), _cohorts)


def _cohorts(rows: list[list[Any]]) -> list[Cohort]:
    return [
        Cohort(int(number), 0 if static else int(version or 0), bool(int(static)))
        for number, version, static in rows
    ]
