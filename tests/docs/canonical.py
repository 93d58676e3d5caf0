"""meltano.yml as Meltano itself writes it.

`meltano config set`, `meltano add` and the like write the whole file anew, in an order
and with quotation marks of their own. A file that already has them changes by the line
that was asked for, and by no other.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from meltano.core.project import Project


def canonical(text: str) -> str:
    """Return the text of a meltano.yml after Meltano has read and written it."""
    with tempfile.TemporaryDirectory(prefix="meltano-") as folder:
        path = Path(folder) / "meltano.yml"
        path.write_text(text)
        with Project(folder).meltano_update():
            pass
        return path.read_text()
