"""What PostHog's side holds while it runs: its table, its switches, its limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.posthog.behaviour import Behaviour
from sandbox.posthog.limits import Limits

if TYPE_CHECKING:
    from sandbox.posthog.table import Table


@dataclass(slots=True)
class State:
    """One project's worth of PostHog."""

    table: Table
    behaviour: Behaviour = field(default_factory=Behaviour)
    limits: Limits = field(default_factory=Limits)
