"""When files of a BATCH go: a model of manifests, states, and states that come out."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from target_patterns_webhook.singer.batch_folders import LOCK, BatchFolders, path_of

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 3)),
        st.tuples(st.just("mark"), st.sampled_from([b'{"a":1}', b'{"a":2}'])),
        st.tuples(st.just("written"), st.integers(0, 3)),
    ),
    max_size=30,
)


@given(steps=STEPS, owned=st.booleans(), ends_well=st.booleans())
def test_no_file_goes_before_its_state(  # noqa: C901 - a model, step by step
    *, steps: list[tuple[str, int | bytes]], owned: bool, ends_well: bool
) -> None:
    """Exactly those before the last written state are gone; in the end, all or none."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "a run"
        folder.mkdir()
        if owned:
            (folder / LOCK).touch()
        folders = BatchFolders()
        safe: dict[Path, int | None] = {}  # file -> number of the state behind it
        states: list[bytes] = []  # marked, by number
        out = -1  # the newest state that was written
        for step, value in steps:
            if step == "read" and isinstance(value, int):
                paths = [folder / f"{len(safe) + each}" for each in range(value)]
                for path in paths:
                    path.touch()
                urls = [path.as_uri() for path in paths]
                folders.use(urls)
                folders.read(urls)
                safe |= dict.fromkeys(paths)
            elif step == "mark" and isinstance(value, bytes):
                states.append(bytes(bytearray(value)))  # equal, but another object
                folders.mark(states[-1])
                for path, number in safe.items():
                    if number is None:
                        safe[path] = len(states) - 1
            elif isinstance(value, int) and out + 1 + value < len(states):
                out += 1 + value  # states between may be left out
                folders.written(states[out])
            for path, number in safe.items():
                gone = owned and number is not None and number <= out
                assert path.exists() is not gone
        if ends_well:
            folders.finish()
            assert folder.exists() is not (owned and bool(safe))


def test_files_elsewhere_are_nobody_s_here() -> None:
    """Only a URL of this machine's files names a path."""
    assert path_of("s3://bucket/a.jsonl") is None
    assert path_of(3) is None
    assert path_of("file:///a%20b/c%3F.jsonl") == Path("/a b/c?.jsonl")


def test_a_file_that_is_gone_already_is_no_error(tmp_path: Path) -> None:
    """Whoever removed it did what was to be done."""
    (tmp_path / LOCK).touch()
    url = (tmp_path / "1").as_uri()
    folders = BatchFolders()
    folders.use([url])
    folders.read([url])
    folders.mark(state := b"{}")
    folders.written(state)
    folders.finish()
    assert not tmp_path.exists()
