"""Folders of data: linking files into them, and what tells them apart."""

import argparse
import hashlib
from pathlib import Path


def parse_args(description: str) -> argparse.Namespace:
    """Read where the originals are and where the links go."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('source', type=Path, help='folder of the originals')
    parser.add_argument('out', type=Path, help='folder to write')
    return parser.parse_args()


def files_of(folder: Path) -> list:
    """The files of a folder in order.

    Raises:
        SystemExit: If there are none.
    """
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    if not found:
        raise SystemExit(
            f'{folder}: expected a folder with files, found none. Give the '
            'folder of the originals; benchmarks/protocol.md has its layout'
        )
    return found


def link(source: Path, target: Path) -> None:
    """Make ``target`` a symbolic link to ``source``, or leave it as such."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        target.symlink_to(source.resolve())


def fingerprint(folder: Path) -> str:
    """A short hash of the names and contents of all files in a folder."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob('*') if p.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f'{path.relative_to(folder)} {content}\n'.encode())
    return whole.hexdigest()[:12]
