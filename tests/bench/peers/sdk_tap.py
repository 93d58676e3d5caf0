"""The tap as the SDK's template and documentation lead one to write it.

The same query endpoint, the same columns and page size as tap-posthog; rows decoded
into records, conformed to their types and written by the SDK. It has one clock, so it
loses late arrivals. `python -m tests.bench.peers.sdk_tap json|msgspec ...` names the
SDK's writer.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BearerTokenAuthenticator
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.pagination import BaseAPIPaginator

from tests.bench.query import COLUMNS, page

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests


class Keyset(BaseAPIPaginator[str | None]):
    """From the last timestamp of a page to the next page, until one is empty."""

    def get_next(self, response: requests.Response) -> str | None:
        """Give the last row's timestamp."""
        rows = response.json()["results"]
        return rows[-1][COLUMNS.index("timestamp")] if rows else None


class Events(RESTStream[str]):
    """Events by timestamp."""

    name = "events"
    path = "/query/"
    http_method = "POST"
    primary_keys = ("uuid",)
    replication_key = "timestamp"
    is_sorted = True
    schema = th.PropertiesList(
        th.Property("uuid", th.UUIDType, required=True),
        th.Property("event", th.StringType),
        th.Property("distinct_id", th.StringType),
        th.Property("timestamp", th.DateTimeType),
        th.Property("created_at", th.DateTimeType),
        th.Property("properties", th.ObjectType(additional_properties=True)),
        th.Property("elements_chain", th.StringType),
        th.Property("person_id", th.StringType),
        th.Property("session_id", th.StringType),
        th.Property("window_id", th.StringType),
    ).to_dict()

    @property
    def url_base(self) -> str:
        """The project's API."""
        return f"{self.config['base_url']}/api/projects/{self.config['project_id']}"

    @property
    def authenticator(self) -> BearerTokenAuthenticator:
        """The personal API key."""
        return BearerTokenAuthenticator(token=self.config["api_key"])

    def get_new_paginator(self) -> Keyset:
        """Page by the last timestamp."""
        return Keyset(None)

    def prepare_request_payload(
        self,
        context: Any,  # noqa: ANN401 - the SDK's
        next_page_token: str | None,
    ) -> dict[str, Any]:
        """Ask for one page."""
        start = next_page_token or self.get_starting_replication_key_value(context)
        return page(start, self.config["page_size"])

    def parse_response(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        """Name the columns; `properties` arrives as text."""
        for row in response.json()["results"]:
            record = dict(zip(COLUMNS, row, strict=True))
            record["properties"] = json.loads(record["properties"])
            yield record


class PeerTap(Tap):
    """One stream, the template's way."""

    name = "tap-peer"
    config_jsonschema = th.PropertiesList(
        th.Property("api_key", th.StringType, required=True, secret=True),
        th.Property("project_id", th.StringType, required=True),
        th.Property("base_url", th.StringType, required=True),
        th.Property("page_size", th.IntegerType, default=10_000),
    ).to_dict()

    def discover_streams(self) -> list[Events]:
        """Only events."""
        return [Events(self)]


class FastWriterTap(PeerTap):
    """The same with the SDK's msgspec writer."""

    message_writer_class = MsgSpecWriter


if __name__ == "__main__":
    {"json": PeerTap, "msgspec": FastWriterTap}[sys.argv.pop(1)].cli()
