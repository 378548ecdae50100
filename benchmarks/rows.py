"""Rows of results in a JSON file, written as they come."""

import json
import os
import subprocess
import sys
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Dict, List, Optional

from packaging.version import Version

# from fingerprints in committed rows to those of the same configs now
RENAMED = Path(__file__).parent / 'results' / 'fingerprints.json'


class Results:
    """A list of rows, each a dict, in a file.

    Args:
        path (str): The file; its rows are read if it is there.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.rows: List[dict] = []
        if self.path.is_file():
            self.rows = json.loads(self.path.read_text())
        self.renamed = json.loads(RENAMED.read_text())

    def find(self, **key) -> Optional[dict]:
        """The row that has these values, None if there is none."""
        return next(
            (r for r in self.rows if key.items() <= self._now(r).items()), None
        )

    def _now(self, row: dict) -> dict:
        """A row with the fingerprint that its config has now."""
        mark = row.get('fingerprint')
        return dict(row, fingerprint=self.renamed.get(mark, mark))

    def put(self, key: dict, **values) -> None:
        """Add a row, in the place of one with the same key if there is one.

        Args:
            key (dict): What identifies the row.
            **values: What else it says.
        """
        self.rows = [r for r in self.rows if not key.items() <= r.items()]
        self.rows.append({**key, **values})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix('.part')
        lines = ',\n'.join(json.dumps(row) for row in self.rows)
        part.write_text(f'[\n{lines}\n]\n')
        os.replace(part, self.path)


def made_by() -> Dict[str, str]:
    """What makes a row: commit, command, date and versions."""
    commit = subprocess.run(
        ['git', '-C', Path(__file__).parent, 'describe', '--always']
        + ['--exclude=*', '--dirty'],
        capture_output=True,
        text=True,
    )
    packages = ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmrazor')
    return dict(
        commit=commit.stdout.strip() or 'unknown',
        command=' '.join(
            ['python', '-m', f'benchmarks.{Path(sys.argv[0]).stem}']
            + sys.argv[1:]
        ),
        date=date.today().isoformat(),
        versions=' '.join(
            f'{name} {Version(import_module(name).__version__).base_version}'
            for name in packages
        ),
    )
