"""The events that every bench moves: about 1.35 KB as a Singer record, one a moment.

It owns their shape, as SQL for the sandbox's table and as lines for a target's stdin.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

NAMES = ("$pageview", "$autocapture", "signup", "purchase", "$pageleave")
PROPERTIES = (
    '{"$os":"Mac OS X","$os_version":"10.15.7","$browser":"Chrome","$browser_version":'
    '141,"$device_type":"Desktop","$current_url":"https://shop.example.com/products/'
    '{n}?utm_source=newsletter&utm_medium=email","$host":"shop.example.com",'
    '"$pathname":"/products/{n}","$raw_user_agent":"Mozilla/5.0 (Macintosh; Intel Mac '
    "OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 "
    'Safari/537.36","$screen_height":1117,"$screen_width":1728,"$viewport_height":946,'
    '"$viewport_width":1512,"$lib":"web","$lib_version":"1.268.4","$insert_id":'
    '"k3l9x0{n}","$time":1763712000.{n},"$device_id":"0192f0c1-7c1b-7d3e-9a5f-{n}",'
    '"$referrer":"https://www.google.com/","$referring_domain":"www.google.com",'
    '"$ip":"203.0.113.7","$geoip_city_name":"Zürich","$geoip_country_code":"CH",'
    '"$geoip_latitude":47.3769,"$geoip_longitude":8.5417,"plan":"scale","revenue":'
    '{n}.25,"cart":[{"sku":"A-{n}","price":19.99,"quantity":2},{"sku":"B-{n}","price":'
    '4.5,"quantity":1}],"beta":true,"coupon":null}'
)
SCHEMA = (
    '{"type":"SCHEMA","stream":"events","schema":{"type":"object","properties":{'
    '"uuid":{"type":"string"},"event":{"type":["string","null"]},'
    '"distinct_id":{"type":["string","null"]},'
    '"timestamp":{"type":"string","format":"date-time"},'
    '"created_at":{"type":["string","null"],"format":"date-time"},'
    '"properties":{"type":["object","null"],"additionalProperties":true},'
    '"elements_chain":{"type":["string","null"]},"person_id":{"type":["string","null"]},'
    '"session_id":{"type":["string","null"]},"window_id":{"type":["string","null"]}}},'
    '"key_properties":["uuid"],"bookmark_properties":["timestamp"]}\n'
)
RECORD = (
    '{"type":"RECORD","stream":"events","record":{"uuid":"%s","event":"%s",'
    '"distinct_id":"user_%d","timestamp":"2026-10-01T%02d:%02d:%02d.%06dZ",'
    '"created_at":"2026-10-02T00:00:00.000000Z","properties":%s,"elements_chain":"",'
    '"person_id":"0192f0c1-0000-7000-8000-%012d","session_id":"%012d",'
    '"window_id":"%012d"},"time_extracted":"2026-11-21T10:00:00.000000+00:00"}\n'
)
STATE = (
    '{"type":"STATE","value":{"bookmarks":{"events":{"replication_key":"timestamp",'
    '"replication_key_value":"2026-10-01T00:00:00.000000Z","uuid":"%d"}}}}\n'
)
STATE_EVERY = 10_000


def insert(first: int, count: int, start: datetime, step_ms: int) -> str:
    """Write the SQL that puts ``count`` events into the sandbox, ``step_ms`` apart."""
    template = PROPERTIES.replace("'", "\\'")
    moment = (
        f"toDateTime64('{start:%Y-%m-%d %H:%M:%S}', 6, 'UTC')"
        f" + toIntervalMillisecond((number + {first} + 1) * {step_ms})"
    )
    names = ", ".join(f"'{name}'" for name in NAMES)
    return (
        "insert into events (uuid, event, distinct_id,"  # noqa: S608 - own values
        " timestamp, created_at,"
        " properties, elements_chain, person_id, `$session_id`, `$window_id`) select"
        f" reinterpretAsUUID(sipHash128(number + {first})) as id,"
        f" [{names}][1 + number % {len(NAMES)}],"
        f" concat('user_', toString(number % 5000)),"
        f" {moment} as moment, moment + toIntervalSecond(2),"
        f" replaceAll('{template}', '{{n}}',"
        f" leftPad(toString(number + {first}), 9, '1')),"
        " '', reinterpretAsUUID(sipHash128(number % 5000)), toString(id), toString(id)"
        f" from numbers({count})"
    )


def write_singer(path: Path, count: int) -> None:
    """Write a file of ``count`` records, with a state after each 10,000."""
    before, *between = PROPERTIES.encode().split(b"{n}")
    with path.open("wb") as file:
        file.write(SCHEMA.encode())
        for n in range(count):
            number = b"%09d" % (100_000_000 + n)
            seconds, micros = divmod(n * 50_000, 1_000_000)
            text = before + b"".join(number + part for part in between)
            file.write(
                RECORD.encode()
                % (
                    str(uuid.UUID(int=n)).encode(),
                    NAMES[n % len(NAMES)].encode(),
                    n % 5000,
                    seconds // 3600 % 24,
                    seconds // 60 % 60,
                    seconds % 60,
                    micros,
                    text,
                    n % 5000,
                    n,
                    n,
                )
            )
            if (n + 1) % STATE_EVERY == 0:
                file.write(STATE.encode() % n)
