"""People who visit, sign up, come back, pay and leave: the events of their lives.

The same seed gives the same events. Nothing is sent here; `seed` does that. What a
browser adds to an event is `browsing`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from sandbox.browsing import Browser, Event, Session

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = 1851
DAYS = 60
EVENTS = 20_000
LATE_DAYS = 6.5  # how far behind an offline phone's events come, at most
PRICES = {"starter": 9.0, "team": 29.5, "business": 99.0}  # EUR a month
FEATURES = ("report created", "report shared", "file uploaded", "search performed")
GIVEN = ("Ada", "Björn", "Chloé", "Dörte", "Łukasz", "María", "さくら", "Zoë")
FAMILY = ("Lovelace", "Ångström", "Nuñez", "O'Neil", "Škoda", "田中", "Weiß", "Ito")
BUSY = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 10, 11, 12, 11, 9, 7, 6, 6, 6, 5, 4, 3)
WEEKEND = 5  # Saturday; on two days of seven fewer people come


@dataclass(slots=True)
class Person:
    """Who somebody is, and what has become of them so far."""

    number: int
    browser: Browser
    liking: float  # 0 to 1: how probably somebody stays, uses and pays
    user_id: str | None = None
    plan: str = "free"
    sessions: list[Session] = field(default_factory=list)

    @property
    def name(self) -> str:
        """A name that fits the number."""
        return f"{GIVEN[self.number % 8]} {FAMILY[self.number // 8 % 8]}"

    def open(self, rng: Random, at: datetime) -> Session:
        """Begin a visit at this instant."""
        known = self.user_id is not None
        who = self.user_id or self.browser.device_id
        session = Session(rng, self.browser, at, who, known)
        self.sessions.append(session)
        return session


def history(until: datetime, *, seed: int = SEED, count: int = EVENTS) -> list[Event]:
    """Give exactly `count` events of the 60 days before `until`, in order of time."""
    since = until - timedelta(days=DAYS)
    events: list[Event] = []
    for person in _population(seed, since, until, count):
        lived = [event for session in person.sessions for event in session.events]
        lived = [event for event in lived if since <= event.timestamp < until]
        events += sorted(lived, key=_order)[: count - len(events)]
    return sorted(events, key=_order)


def later(  # noqa: PLR0913 - each is a quantity that the caller chooses
    since: datetime,
    until: datetime,
    *,
    round_: int,
    history_until: datetime,
    seed: int = SEED,
    count: int = 500,
    late: int = 120,
) -> list[Event]:
    """Give `count` events more of the same people.

    All but `late` of them happened in `since` <= timestamp < `until`. The late ones
    happened up to seven days before `since`, and are only coming in now: they are the
    last in the list.
    """
    start = history_until - timedelta(days=DAYS)
    people = list(_population(seed, start, history_until, EVENTS))
    known = [person for person in people if person.user_id] or people
    rng = Random(f"{seed}/{history_until.isoformat()}/{round_}")  # noqa: S311 - no secret
    fresh: list[Event] = []
    while len(fresh) < count - late:
        at = since + (until - since) * rng.random()
        visit = _visit(rng.choice(known), rng, at)
        fresh += [event for event in visit if since <= event.timestamp < until]
    behind: list[Event] = []
    newest = since - timedelta(hours=1)
    while len(behind) < late:
        at = newest - timedelta(days=LATE_DAYS) * rng.random()
        visit = _visit(rng.choice(known), rng, at)
        behind += [event for event in visit if event.timestamp < newest]
    fresh = sorted(fresh[: count - late], key=_order)
    return fresh + sorted(behind[:late], key=_order)


def _order(event: Event) -> tuple[datetime, str]:
    return event.timestamp, event.uuid


def _visit(person: Person, rng: Random, at: datetime) -> list[Event]:
    session = person.open(rng, at)
    _use(person, session)
    return session.events


def _population(
    seed: int, since: datetime, until: datetime, count: int
) -> Iterator[Person]:
    """Give people until they have done `count` things between the two instants.

    Each has a chance of their own, so that one more person changes no other's life.
    """
    done = number = 0
    while done < count:
        rng = Random(f"{seed}/{until.isoformat()}/{number}")  # noqa: S311 - no secret
        person = _life(rng, number, since, until)
        done += sum(
            since <= event.timestamp < until
            for session in person.sessions
            for event in session.events
        )
        yield person
        number += 1


def _life(rng: Random, number: int, since: datetime, until: datetime) -> Person:
    days = (until - since).days
    arrival = since + timedelta(days=days * (1 - rng.random() ** 1.25))
    browser = Browser.new(rng, arrival)
    person = Person(number, browser, liking=rng.betavariate(1.6, 2.2))
    at = _hour_of_day(rng, arrival, browser)
    while person.user_id is None:
        _look_around(person, person.open(rng, at))
        if person.user_id is None:
            later_on = at + timedelta(days=1 + rng.expovariate(1 / 4))
            at = _hour_of_day(rng, later_on, browser)
            if at >= until or rng.random() > 0.2 + person.liking / 2:
                return person  # never came back
    _come_back(rng, person, at, until)
    return person


def _hour_of_day(rng: Random, day: datetime, browser: Browser) -> datetime:
    hour = rng.choices(range(24), BUSY)[0] - browser.place[3]
    if day.weekday() >= WEEKEND and rng.random() < 0.5:  # noqa: PLR2004 - half of them
        day += timedelta(days=2)
    start = day.replace(hour=0, minute=0, second=0, microsecond=0)
    return start + timedelta(hours=hour % 24, seconds=rng.uniform(0, 3600))


def _look_around(person: Person, session: Session) -> None:
    """Visit without an account; who likes what they see may make one."""
    rng = session.rng
    session.view(rng.choice(["/", "/", "/", "/blog/why-two-clocks", "/docs"]))
    for _ in range(rng.randrange(4)):
        session.view(rng.choice(["/", "/pricing", "/docs", "/blog/why-two-clocks"]))
    if rng.random() < 0.25 + person.liking / 2:
        session.view("/signup")
        session.capture("signup started", {"method": rng.choice(["email", "google"])})
        if rng.random() < 0.35 + person.liking / 2:
            _sign_up(person, session)
    session.capture("$pageleave", pause=30)


def _sign_up(person: Person, session: Session) -> None:
    person.user_id = f"user-{person.number:05d}"
    session.identified = True
    first = {
        "$initial_referrer": person.browser.referrer,
        "$initial_current_url": session.events[0].properties["$current_url"],
        "signed_up_at": session.now.isoformat(timespec="milliseconds"),
    }
    mail = f"{person.user_id}@example.com"
    now = {"name": person.name, "email": mail, "plan": "free"}
    anonymous, session.distinct_id = session.distinct_id, person.user_id
    known = {"$anon_distinct_id": anonymous, "$set": now, "$set_once": first}
    session.capture("$identify", known, pause=2)
    session.capture("signup completed", {"plan": "free"}, pause=1)
    session.view("/welcome")


def _come_back(rng: Random, person: Person, at: datetime, until: datetime) -> None:
    """Use it week by week, less and less, pay each month, and perhaps leave."""
    signed_up, due, week = at, at, 0
    while (start := signed_up + timedelta(weeks=week)) < until:
        stays = person.liking * (0.9 if person.plan == "free" else 1.25)
        if week and rng.random() > stays * 0.97**week + 0.06:
            if person.plan != "free" and rng.random() < 0.3:  # noqa: PLR2004 - a chance
                _leave(person, person.open(rng, start))
                return
            if person.plan == "free" and rng.random() < 0.35:  # noqa: PLR2004 - a chance
                return  # forgets it
        else:
            visits = 1 + round(rng.expovariate(1 / (1.8 * person.liking)))
            for days in sorted(rng.uniform(1, 7) for _ in range(visits)):
                day = start + timedelta(days=days)
                session = person.open(rng, _hour_of_day(rng, day, person.browser))
                _use(person, session)
                if person.plan == "free" and rng.random() < person.liking**2 / 2.5:
                    due = _buy(person, session)
        while person.plan != "free" and due < start + timedelta(weeks=1):
            _renew(person, person.open(rng, due))
            due += timedelta(days=30)
        week += 1


def _use(person: Person, session: Session) -> None:
    rng = session.rng
    session.view("/reports")
    for _ in range(1 + rng.randrange(1 + round(5 * person.liking))):
        feature = rng.choice(FEATURES)
        session.view("/reports/new" if feature == "report created" else "/reports")
        detail = {"rows": rng.randrange(1, 90_000), "tags": rng.sample(FEATURES, 2)}
        session.capture(feature, {"plan": person.plan, "detail": detail})
    if rng.random() < 0.08 * person.liking:
        session.view("/team")
        session.capture("teammate invited", {"role": rng.choice(["editor", "viewer"])})


def _buy(person: Person, session: Session) -> datetime:
    """Pay for a plan, or leave it at a look. Returns when the next payment is due."""
    session.view("/billing")
    session.capture("checkout started", {"currency": "EUR"})
    if session.rng.random() < 0.75:  # noqa: PLR2004 - one in four thinks better of it
        person.plan = session.rng.choices(list(PRICES), [6, 3, 1])[0]
        _pay(person, session, "purchase completed")
    return session.now + timedelta(days=30)


def _pay(person: Person, session: Session, event: str) -> None:
    price = PRICES[person.plan]
    items = [{"sku": f"plan-{person.plan}", "price": price, "quantity": 1}]
    paid = {"revenue": price, "currency": "EUR", "plan": person.plan, "items": items}
    session.capture(event, {**paid, "$set": {"plan": person.plan}})


def _renew(person: Person, session: Session) -> None:
    session.path = "/billing"
    _pay(person, session, "subscription renewed")


def _leave(person: Person, session: Session) -> None:
    session.view("/billing")
    reason = session.rng.choice(["too expensive", "missing feature", "not needed"])
    person.plan = "free"
    left = {"reason": reason, "$set": {"plan": "free"}}
    session.capture("subscription cancelled", left)
