"""What a browser and a site put on an event: devices, pages, sessions, identifiers.

Who comes, and why, is `people`'s. Pure: all chance comes from the `Random` given.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

HOST = "https://app.hedgerow.example"
TITLES = {
    "/": "Hedgerow: reports that write themselves",
    "/pricing": "Pricing: from 0 € to 99 €",
    "/blog/why-two-clocks": "Why every event has two clocks",
    "/docs": "Docs",
    "/signup": "Sign up",
    "/welcome": "Welcome · Grüß Gott · ようこそ 🎉",
    "/reports": "Your reports",
    "/reports/new": "New report",
    "/team": "Team",
    "/billing": "Billing",
}
SOURCES = (  # utm_source, referrer, share
    (None, "$direct", 40),
    ("google", "https://www.google.com/", 30),
    ("newsletter", "https://mail.hedgerow.example/", 12),
    ("github", "https://github.com/", 10),
    ("münchen-meetup", "https://meetup.example/münchen", 8),
)
PLACES = (  # city, country, time zone, offset from UTC in hours, first bytes of the IP
    ("New York", "US", "America/New_York", -5, "203.0.113"),
    ("Berlin", "DE", "Europe/Berlin", 1, "198.51.100"),
    ("São Paulo", "BR", "America/Sao_Paulo", -3, "192.0.2"),
    ("東京", "JP", "Asia/Tokyo", 9, "203.0.113"),
    ("Kraków", "PL", "Europe/Warsaw", 1, "198.51.100"),
)
BROWSERS = (
    ("Chrome", 141, "Desktop", (1440, 900)),
    ("Safari", 19, "Desktop", (1512, 982)),
    ("Firefox", 145, "Desktop", (1920, 1080)),
    ("Mobile Safari", 19, "Mobile", (390, 844)),
    ("Chrome", 141, "Mobile", (412, 915)),
)
AGENT = (
    "Mozilla/5.0 ({device}) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " {browser}/{version}.0.{build}.{patch} Safari/605.1.15"
)


def instant_id(rng: Random, at: datetime) -> str:
    """Make a version 7 UUID, the kind that PostHog's clients give events."""
    milliseconds = int(at.timestamp() * 1000)
    value = (milliseconds << 80) | (0x7 << 76) | (rng.getrandbits(12) << 64)
    return str(uuid.UUID(int=value | (0b10 << 62) | rng.getrandbits(62)))


@dataclass(frozen=True, slots=True)
class Event:
    """One event as PostHog's client takes it; `timestamp` in whole milliseconds."""

    uuid: str
    event: str
    distinct_id: str
    timestamp: datetime
    properties: dict[str, Any]


@dataclass(slots=True)
class Browser:
    """One person's device, and where it came from the first time."""

    device_id: str
    place: tuple[str, str, str, int, str]
    static: dict[str, Any]
    source: str | None
    referrer: str

    @classmethod
    def new(cls, rng: Random, at: datetime) -> Browser:
        """Draw a device that is first seen at this instant."""
        place = rng.choice(PLACES)
        browser, version, kind, (width, height) = rng.choice(BROWSERS)
        source, referrer, _ = rng.choices(SOURCES, [share for *_, share in SOURCES])[0]
        build, patch = rng.randrange(6000, 8000), rng.randrange(200)
        agent = AGENT.format(
            device=kind, browser=browser, version=version, build=build, patch=patch
        )
        device_id = instant_id(rng, at)
        static = {
            "$device_id": device_id,
            "$ip": f"{place[4]}.{rng.randrange(1, 255)}",
            "$browser": browser,
            "$browser_version": version,
            "$browser_language": rng.choice(["en-US", "de-DE", "pt-BR", "ja-JP"]),
            "$device_type": kind,
            "$raw_user_agent": agent,
            "$screen_width": width,
            "$screen_height": height,
            "$viewport_width": width,
            "$viewport_height": height - 120,
            "$timezone": place[2],
            "$timezone_offset": -60 * place[3],
            "$geoip_city_name": place[0],
            "$geoip_country_code": place[1],
        }
        return cls(device_id, place, static, source, referrer)


@dataclass(slots=True)
class Session:
    """One visit: a clock that goes on with each event, and what all of them share."""

    rng: Random
    browser: Browser
    now: datetime
    distinct_id: str
    identified: bool
    path: str = "/"
    id: str = ""
    shared: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Open the visit: its ids, and what its events have in common."""
        self.now -= timedelta(microseconds=self.now.microsecond % 1000)
        self.id = instant_id(self.rng, self.now)
        self.shared = {
            **self.browser.static,
            "$session_id": self.id,
            "$window_id": instant_id(self.rng, self.now),
            "$referrer": self.browser.referrer,
            "$feature/new-editor": self.rng.choice(["control", "test", True, False]),
            "$active_feature_flags": ["new-editor"],
            # Or PostHog moves the time by what it took to send the batch.
            "$ignore_sent_at": True,
        }
        if self.browser.source:
            self.shared["utm_source"] = self.browser.source

    def capture(
        self, event: str, more: dict[str, Any] | None = None, *, pause: float = 20
    ) -> None:
        """Add an event, on average `pause` seconds after the one before."""
        seconds = 0.4 + self.rng.expovariate(1 / pause)
        self.now += timedelta(milliseconds=round(seconds * 1000))
        made = instant_id(self.rng, self.now)
        own = {
            "$current_url": HOST + self.path,
            "$host": HOST.removeprefix("https://"),
            "$pathname": self.path,
            "title": TITLES.get(self.path, "Hedgerow"),
            "$is_identified": self.identified,
            "$insert_id": f"{self.rng.getrandbits(64):016x}",
            "$time": self.now.timestamp(),
        }
        self.events.append(
            Event(
                uuid=made,
                event=event,
                distinct_id=self.distinct_id,
                timestamp=self.now.astimezone(UTC),
                properties={**self.shared, **own, **(more or {})},
            )
        )

    def view(self, path: str) -> None:
        """Look at a page, and perhaps click on it."""
        before, self.path = self.path, path
        self.capture("$pageview", {"$prev_pageview_pathname": before})
        if self.rng.random() < 0.25:  # noqa: PLR2004 - one page in four is clicked on
            chain = (
                'button.btn.btn-primary:nth-child="2"nth-of-type="1"text="Weiter →"'
                'attr__class="btn btn-primary";main:nth-child="1"nth-of-type="1"'
            )
            click = {"$event_type": "click", "$elements_chain": chain}
            self.capture("$autocapture", click, pause=8)
