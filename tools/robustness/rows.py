"""Rows of results, written one by one, so that a run can be gone on with."""

import hashlib
import json
from pathlib import Path
from typing import Dict, List, Optional

CLEAN = ('clean', 0)


class Rows:
    """A file with a line of JSON for each evaluation.

    Args:
        path (str): The file, which need not exist yet. A line that was cut
            off when a run was killed is left out.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.rows: List[dict] = []
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                try:
                    self.rows.append(json.loads(line))
                except ValueError:
                    continue

    def find(
        self, model: str, corruption: str, severity: int
    ) -> Optional[Dict[str, float]]:
        """The metrics of an evaluation, None if there was none.

        Args:
            model (str): See :func:`fingerprint`.
            corruption (str): Name of the corruption, or ``'clean'``.
            severity (int): Its severity, 0 for clean images.
        """
        for row in self.rows:
            key = row['model'], row['corruption'], row['severity']
            if key == (model, corruption, severity):
                return row['metrics']
        return None

    def add(self, **row) -> None:
        """Keep a row and write it, with what :meth:`find` asks for."""
        self.rows.append(row)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = not self.path.exists() or (
            self.path.read_bytes()[-1:] in (b'', b'\n')
        )
        with self.path.open('a') as file:
            file.write(('' if whole else '\n') + json.dumps(row) + '\n')


def fingerprint(cfg, options: dict) -> str:
    """What the results depend on, in a few letters.

    Args:
        cfg (mmengine.config.Config): The config; ``load_from`` is the
            checkpoint, of which the content counts if it is a file.
        options (dict): Whatever else they depend on.

    Returns:
        str: Twelve hexadecimal digits.
    """
    parts = [
        cfg.get(key)
        for key in ('model', 'test_dataloader', 'test_evaluator', 'test_cfg')
    ]
    digest = hashlib.sha256(repr([*parts, options]).encode())
    path = Path(cfg.load_from)
    digest.update(
        path.read_bytes() if path.is_file() else cfg.load_from.encode()
    )
    return digest.hexdigest()[:12]
