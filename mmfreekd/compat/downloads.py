"""What is downloaded is what its name says, and is reported.

mmengine takes whatever an address gives it. Names of checkpoints of OpenMMLab
and torchvision end in the first digits of the file's SHA-256.
"""

import hashlib
import os
import re
from http.client import HTTPException
from urllib.parse import urlparse

from ..errors import CheckpointError

CHECKSUM = re.compile(r'-([0-9a-f]{8,})\.\w+$')


def check_downloads(module) -> None:
    """Mend ``mmengine.runner.checkpoint``, which compares nothing."""
    module.load_url = load_url


def load_url(url, model_dir=None, map_location=None, progress=True):
    """Download a checkpoint, unless it was before, and load it safely.

    Args:
        url (str): Its address.
        model_dir (str, optional): Where to keep it. None: torch's cache.
            Defaults to None.
        map_location (optional): As for ``torch.load``. Defaults to None.
        progress (bool): Whether to show a bar. Defaults to True.

    Returns:
        dict: What the file holds.

    Raises:
        CheckpointError: If it cannot be had, or is not the file that its name
            speaks of.
    """
    import torch
    from mmengine.logging import print_log

    folder = model_dir or os.path.join(torch.hub.get_dir(), 'checkpoints')
    name = os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        try:
            os.makedirs(folder, exist_ok=True)
            torch.hub.download_url_to_file(url, path, progress=progress)
        except (OSError, HTTPException, RuntimeError) as error:
            raise CheckpointError(
                f'{url} cannot be downloaded ({error}). Fetch {name} by hand '
                f'and put it into {folder}'
            ) from error
    digest = sha256(path)
    size = os.path.getsize(path)
    expected = CHECKSUM.search(path)
    if expected and not digest.startswith(expected[1]):
        os.unlink(path)
        raise CheckpointError(
            f'{url}: expected a file whose SHA-256 begins with {expected[1]}, '
            f'as its name says, got {digest} ({size:,} bytes). It was '
            'removed: try again'
        )
    verdict = 'as its name says' if expected else 'its name carries none'
    print_log(
        f'{url} is {path}: {size:,} bytes, SHA-256 {digest} ({verdict})',
        logger='current',
    )
    return torch.load(path, map_location=map_location, weights_only=True)


def sha256(path: str) -> str:
    """The SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
