"""How fast the two are together: through a shell's pipe and through `meltano run`.

Meltano's plugins are the programs under test themselves; it installs nothing.
"""

from __future__ import annotations

import json
import shlex
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.bench.ground import alternate, middle, receiver, replay, stats
from tests.bench.process import BIN, BenchError, Run, run
from tests.bench.query import API_KEY, PROJECT
from tests.bench.report import megabytes, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.bench.ground import Ground
    from tests.bench.report import Report

EVENTS = 1_000_000  # enough for the starts to count little
HEAD = ["", "events/s", "time", "processor", "peak memory"]
TAP, TARGET, PIPE = "tap alone", "target alone", "shell pipe"
MELTANO = "`meltano run`"
FILES = f"{MELTANO}, `batch_config`"
YAML = """
project_id: 2f0f1a5e-6a3b-4d0e-9c55-1f4d3b0a9e21
default_environment: bench
send_anonymous_usage_stats: false
auto_install: false
environments:
- name: bench
plugins:
  extractors:
  - name: tap-posthog
    namespace: tap_posthog
    executable: {programs}/tap-posthog
    capabilities: [catalog, discover, state]
    select: [events.*]
    settings: [{{name: batch_config, kind: string}}]
    config: {{base_url: "{url}", api_key: {key}, project_id: "{id}", start_at: "{at}"}}
  - name: tap-posthog-files
    inherit_from: tap-posthog
    config: {{batch_config: '{batches}'}}
  loaders:
  - name: target-patterns-webhook
    namespace: target_patterns_webhook
    executable: {programs}/target-patterns-webhook
    config: {{webhook_url: "{webhook}/api/app/webhooks/bench"}}
"""
ABOUT = """The same {count:,} events each way, from the sandbox's kept answers to a
receiver that answers at once. A `meltano run` that finds nothing new takes {idle:.1f}
s: so much are Meltano and the two programs starting. Beyond that, Meltano's plumbing,
which copies line by line in Python, takes {cost:.1f} us of processor for an event.
With `batch_config` the
rows pass in files, and only their names through that plumbing. Memory is that of the
largest process."""


def measure(ground: Ground, report: Report) -> None:
    """Move the same events each way."""
    count = ground.size(EVENTS)
    with (
        ground.sandbox(count) as sandbox,
        replay(sandbox.url) as posthog,
        receiver() as hook,
    ):
        tap, target = ground.tap(posthog), ground.target(hook)
        lines = ground.folder / "lines.jsonl"
        run(tap, keep=lines)
        shell = " | ".join(shlex.join(map(str, argv)) for argv in (tap, target))
        pipe = ["bash", "-o", "pipefail", "-c", shell]
        project(ground, posthog, hook)
        meltano = partial(through_meltano, ground, hook, count, "--full-refresh")
        programs: dict[str, Callable[[], Run]] = {
            TAP: partial(run, tap),
            TARGET: partial(deliver, target, hook, count, stdin=lines),
            PIPE: partial(deliver, pipe, hook, count),
            MELTANO: meltano,
            FILES: partial(meltano, tap="tap-posthog-files"),
        }
        meltano()  # its database, and the tap's answers
        done = {
            name: middle(each)
            for name, each in alternate(programs, ground.rounds).items()
        }
        idle = through_meltano(ground, hook, 0)
        starts = sum(run([*argv, "--about"]).cpu_seconds for argv in (tap, target))
    slower = max(done[TAP].seconds, done[TARGET].seconds)
    report.ratio("shell pipe / its slower half", slower / done[PIPE].seconds, 0.7)
    batches = done[PIPE].seconds / done[FILES].seconds
    report.ratio("`meltano run` with files / shell pipe", batches, 0.85)
    plumbing = done[MELTANO].cpu_seconds - idle.cpu_seconds
    plumbing -= done[PIPE].cpu_seconds - starts
    cost = plumbing / count * 1e6
    report.add(
        "The pair",
        ABOUT.format(count=count, idle=idle.seconds, cost=cost),
        table(HEAD, [cells(*one, count) for one in done.items()]),
    )


def project(ground: Ground, posthog: str, hook: str) -> None:
    """Write a Meltano project whose plugins are the programs under test."""
    text = YAML.format(
        programs=ground.bin,
        url=posthog,
        webhook=hook,
        key=API_KEY,
        id=PROJECT,
        at=f"{ground.start:%Y-%m-%dT%H:%M:%SZ}",
        batches=json.dumps(batch_config(ground)),
    )
    (ground.folder / "meltano.yml").write_text(text)


def batch_config(ground: Ground) -> dict[str, Any]:
    """Ask for plain files in a folder of the bench's own."""
    root = (ground.folder / "batches").as_uri()
    return {"encoding": {"format": "jsonl"}, "storage": {"root": root}}


def through_meltano(
    ground: Ground,
    hook: str,
    count: int,
    *options: str,
    tap: str = "tap-posthog",
    **env: str,
) -> Run:
    """Move what is new through Meltano, or everything with `--full-refresh`."""
    argv = [str(BIN / "meltano"), "run", *options, tap, "target-patterns-webhook"]
    return deliver(argv, hook, count, cwd=ground.folder, env=env)


def deliver(argv: Sequence[str | Path], hook: str, count: int, **how: Any) -> Run:  # noqa: ANN401 - run's
    """Run something and hold it to its bargain: the receiver has every record."""
    stats(hook)
    done = run(argv, **how)
    if (got := stats(hook)["records"]) != count:
        msg = f"{argv[0]}: {got} of {count} records arrived; {done.stderr}"
        raise BenchError(msg)
    return done


def cells(name: str, one: Run, count: int) -> list[str]:
    """Give a way's row."""
    return [
        name,
        f"{one.rate(count):,.0f}",
        f"{one.seconds:.2f} s",
        f"{one.cpu_seconds:.2f} s",
        megabytes(one.peak_bytes),
    ]
