"""A Parquet file of an export: columns by name, some rows at a time.

In whatever codec: the file knows its own, and its name says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_posthog.errors import FilesError
from tap_posthog.events.exports.store import RangeFile
from tap_posthog.events.rows import normalized

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_posthog.events.exports.keys import Part
    from tap_posthog.events.exports.store import Ranges

CLOCKS = ("timestamp", "_inserted_at")
KEYS = ("uuid", "event", "distinct_id", "created_at", *CLOCKS)
ROWS = 10_000  # that are decoded at once


def cells_of(
    store: Ranges, part: Part, names: Sequence[str], *, decoded: bool = True
) -> Iterator[dict[str, Any]]:
    """Decode columns, instants as text; a missing one of the optional is left out."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    name = part.stored.key
    if not part.stored.size:
        return
    try:
        file = _opened(store, part)
        there = set(file.schema_arrow.names)
        for needed in KEYS:
            if needed not in there:
                raise lacks(name, needed)
        wanted = [each for each in names if each in there]
        batches: Iterable[Any] = file.iter_batches(
            ROWS, columns=wanted, use_threads=False
        )
        for batch in batches:
            cells = {each: batch.column(each) for each in wanted}
            yield decoded_cells(cells) if decoded else cells
    except pa.ArrowException:
        raise _damaged(part) from None


def count(store: Ranges, part: Part) -> int:
    """Return how many rows a file says that it has.

    Raises:
        FilesError: it is no Parquet file.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra

    try:
        rows: int = _opened(store, part).metadata.num_rows if part.stored.size else 0
    except pa.ArrowException:
        raise _damaged(part) from None
    return rows


def _damaged(part: Part) -> FilesError:
    return FilesError(
        f"{part.stored.key} is damaged or no Parquet file; have PostHog export it again"
    )


def _opened(store: Ranges, part: Part) -> Any:  # noqa: ANN401 - a ParquetFile
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    return pq.ParquetFile(
        pa.PythonFile(RangeFile(store, part.stored), mode="r"),
        pre_buffer=False,
        buffer_size=1 << 20,
    )


def decoded_cells(cells: dict[str, Any]) -> dict[str, Sequence[Any]]:
    """Return columns as Python values, instants as text."""
    return {
        name: _instants(column)
        if name in {"created_at", *CLOCKS}
        else column.to_pylist()
        for name, column in cells.items()
    }


def _instants(column: Any) -> list[str]:  # noqa: ANN401 - an Arrow array
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.compute as pc  # noqa: PLC0415

    if not pa.types.is_timestamp(column.type):
        return [normalized(str(each)) for each in column.to_pylist()]
    text = column.cast(pa.timestamp("us", "UTC")).cast(pa.string())
    found: list[str] = pc.replace_substring(text, " ", "T").to_pylist()
    return found


def uuid_halves(store: Ranges, part: Part) -> Iterator[Any]:
    """Give the last 64 bits of each uuid of a Parquet file, as Arrow numbers."""
    for cells in cells_of(store, part, ("uuid",), decoded=False):
        yield halves_of(cells["uuid"])


def halves_of(uuids: Any) -> Any:  # noqa: ANN401
    """Return the last 64 bits of each uuid as a number."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.compute as pc  # noqa: PLC0415

    parts = (pc.utf8_slice_codeunits(uuids, *at) for at in ((19, 23), (24, 36)))
    return pc.binary_join_element_wise("0x", *parts, "").cast(pa.uint64())


def lacks(name: str, column: str) -> FilesError:
    """Say which column a file lacks, and what to do."""
    if column in {"created_at", "_inserted_at"}:
        return FilesError(
            f"{name} has no column {column}, without which late events cannot be told "
            f"from others. Add {column} to the export's fields, as PostHog's Azure "
            "exports leave it out"
        )
    return FilesError(
        f"{name} has no column {column}: it is no export of events. files_url must "
        "lead to an export of the model events only"
    )
