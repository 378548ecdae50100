"""Downloads, verified by the checksum in their names.

Names of checkpoints of OpenMMLab and torchvision end in the first digits of
the file's SHA-256.
"""

import hashlib
import os
import re
from http.client import HTTPException
from urllib.parse import quote, unquote, urlparse

import torch
from mmengine.logging import print_log

from ..errors import CheckpointError
from .reading import load_file

# at least eight hexadecimal digits, but not a date such as 20200130
CHECKSUM = re.compile(r'-(?!20\d{6}\.)([0-9a-f]{8,})\.\w+$')


def load_url(url, model_dir=None, map_location=None, progress=True):
    """Load a checkpoint from torch's cache, downloaded if it is not there.

    Args:
        url (str): Its address.
        model_dir (str, optional): The cache. None: torch's own. Defaults to
            None.
        map_location (optional): As for ``torch.load``. Defaults to None.
        progress (bool): Whether to show a bar. Defaults to True.

    Returns:
        dict: The content, see :func:`mmfreekd.checkpoints.reading.load_file`.

    Raises:
        CheckpointError: If it cannot be downloaded, or does not match the
            checksum in its name.
    """
    folder = model_dir or os.path.join(torch.hub.get_dir(), 'checkpoints')
    name = os.path.basename(urlparse(url).path)
    plain = unquote(name)  # browsers save a+b, mmengine a%2Bb
    paths = [os.path.join(folder, n) for n in (name, plain, quote(plain))]
    path = next(filter(os.path.isfile, paths), None)
    checksum = CHECKSUM.search(name)
    expected = checksum[1] if checksum else None
    if path is None:
        path = paths[0]
        try:
            os.makedirs(folder, exist_ok=True)
            torch.hub.download_url_to_file(url, path, expected, progress)
        except (OSError, HTTPException, RuntimeError) as error:
            raise CheckpointError(
                f'{url} cannot be downloaded ({error}). Download {name} by '
                f'hand and put it into {folder}'
            ) from error
    digest = sha256(path)
    if expected and not digest.startswith(expected):
        raise CheckpointError(
            f'{url}: the cached file {path} must have a SHA-256 that begins '
            f'with {expected}, as its name states, got {digest} '
            f'({os.path.getsize(path):,} bytes). It is left as it is: remove '
            'it to download it again'
        )
    print_log(
        f'{url} is {path}: {os.path.getsize(path):,} bytes, SHA-256 {digest} '
        f'({"as in" if expected else "not in"} its name)',
        logger='current',
    )
    return load_file(path, map_location)


def sha256(path: str) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
