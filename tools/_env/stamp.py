"""What has been done, and of which files it was made."""

import hashlib
import json
import os
from pathlib import Path

# what the installed package is made of
SOURCES = (
    'mmfreekd',
    'configs',
    'tools',
    'requirements',
    'setup.py',
    'pyproject.toml',
    'MANIFEST.in',
    'model-index.yml',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
)


def read_stamp(path: Path) -> dict:
    """What has been done already; empty if nothing can be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def write_stamp(path: Path, stamp: dict) -> None:
    """Replace the stamp file in one go."""
    part = path.with_suffix('.part')
    part.write_text(json.dumps(stamp, indent=2) + '\n')
    os.replace(str(part), str(path))


def requirements_digest(directory: Path) -> str:
    """A hash of all requirement files."""
    return files_digest(directory, sorted(directory.glob('*.txt')))


def project_files(root: Path) -> list:
    """The files of which the installed package is made, sorted."""
    files = []
    for name in SOURCES:
        source = root / name
        if source.is_dir():
            files += [
                path
                for path in source.rglob('*')
                if path.is_file()
                and not {'__pycache__', '.mim'} & set(path.parts)
            ]
        elif source.exists():
            files.append(source)
    return sorted(files)


def files_digest(root: Path, files: list) -> str:
    """A hash of files: of their names and of what they hold."""
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        name = path.relative_to(root).as_posix()
        digest.update(f'{name}\0{len(content)}\0'.encode() + content)
    return digest.hexdigest()
