"""The target as the SDK's template and documentation lead one to write it.

A BatchSink that posts each batch as a JSON array over one kept connection: no retry, no
byte limit, no parallel requests, state at the end of the input.
`python -m tests.bench.peers.sdk_target json|msgspec ...`: the SDK's reader.
"""

from __future__ import annotations

import gzip
import json
import sys
from typing import Any

import requests
from singer_sdk import BatchSink, Target
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecReader


class WebhookSink(BatchSink):
    """Records in batches to one URL."""

    def setup(self) -> None:
        """Open the connection that all batches share."""
        self._session = requests.Session()

    @property
    def max_size(self) -> int:
        """Most records in one request."""
        return int(self.config["batch_size_rows"])

    def process_batch(self, context: dict[str, Any]) -> None:
        """Post the batch."""
        body = json.dumps(context["records"], default=str).encode()
        headers = {"Content-Type": "application/json"}
        if self.config["compression"] == "gzip":
            body = gzip.compress(body, compresslevel=6)
            headers["Content-Encoding"] = "gzip"
        self._session.post(
            self.config["webhook_url"], data=body, headers=headers, timeout=30
        ).raise_for_status()


class PeerTarget(Target):
    """One kind of sink, the template's way."""

    name = "target-peer"
    default_sink_class = WebhookSink
    config_jsonschema = th.PropertiesList(
        th.Property("webhook_url", th.StringType, required=True, secret=True),
        th.Property("batch_size_rows", th.IntegerType, default=500),
        th.Property("compression", th.StringType, default="none"),
    ).to_dict()


class FastReaderTarget(PeerTarget):
    """The same with the SDK's msgspec reader."""

    message_reader_class = MsgSpecReader


if __name__ == "__main__":
    {"json": PeerTarget, "msgspec": FastReaderTarget}[sys.argv.pop(1)].cli()
