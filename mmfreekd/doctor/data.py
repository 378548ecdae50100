"""The data of a dry run: the config's own; invented where they are missing."""

import os
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any, List, Optional, Tuple

import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, TRANSFORMS
from torch.utils.data import DataLoader

from ..errors import UsageError
from .report import Report

SIZE = (384, 512)  # of an invented image
IMAGES = 16


class InventedDataset(BaseDataset):
    """Noise with boxes, masks and labelled pixels, read from two files.

    Args:
        folder (str): Where the files are written.
        channels (int): Of an image.
        num_classes (int): Of the labels.
        reduce_zero_label (bool): As in MMSegmentation. Defaults to False.
        **kwargs: Arguments of ``BaseDataset``.
    """

    def __init__(
        self,
        folder: str,
        channels: int,
        num_classes: int,
        reduce_zero_label: bool = False,
        **kwargs,
    ) -> None:
        self.folder = folder
        self.channels = channels
        self.num_classes = num_classes
        self.reduce_zero_label = reduce_zero_label
        super().__init__(**kwargs)

    def load_data_list(self) -> List[dict]:
        """Write the files, and describe each image."""
        import cv2

        height, width = SIZE
        rng = np.random.default_rng(0)
        image = rng.integers(0, 256, (*SIZE, self.channels), np.uint8)
        labels = rng.integers(0, self.num_classes, (6, 8), np.uint8)
        labels = labels.repeat(64, 0).repeat(64, 1)
        paths = [
            os.path.join(self.folder, f'{name}_{os.getpid()}.png')
            for name in ('image', 'labels')
        ]
        cv2.imwrite(paths[0], image)
        cv2.imwrite(paths[1], labels + self.reduce_zero_label)
        x, y = width // 2, height // 2
        instance = dict(
            bbox=[8, 8, x, y],
            bbox_label=0,
            ignore_flag=0,
            mask=[[8, 8, x, 8, x, y, 8, y]],
        )
        return [
            dict(
                img_path=paths[0],
                img_id=i,
                height=height,
                width=width,
                instances=[instance],
                seg_map_path=paths[1],
                label_map=None,
                reduce_zero_label=self.reduce_zero_label,
                seg_fields=[],
            )
            for i in range(IMAGES)
        ]


def stand_in() -> InventedDataset:
    """A data set in the place of one that cannot be built."""
    return InventedDataset(tempfile.gettempdir(), 3, 1)


class FirstBatches(DataLoader):
    """A data loader of which only the batches in ``few`` are taken."""

    few: list = []
    invented = False

    def __iter__(self) -> Iterator:
        return iter(self.few)


def build_data(
    cfg: Any, key: str, report: Report, channels: int
) -> Tuple[Optional[BaseDataset], bool]:
    """Build a data set, however it is wrapped.

    Args:
        cfg (dict): Its config.
        key (str): Where it is in the config.
        report (Report): Where problems go.
        channels (int): Of an image that is invented.

    Returns:
        tuple[BaseDataset, bool]: None where it cannot be built; and whether
        anything in it is invented.
    """
    cfg = deepcopy(cfg)
    before = len(report.problems)
    invented = False
    for path, leaf in list(leaves(cfg, key)):
        for i, transform in enumerate(leaf.get('pipeline') or ()):
            with report.attempt(f'{path}.pipeline.{i}'):
                TRANSFORMS.build(deepcopy(transform))
        if missing := missing_files(leaf, path):
            report.problems += missing
            before += len(missing)
            invented = True
            with report.attempt(path):
                _invent(leaf, channels)
    if len(report.problems) > before:
        return None, invented
    with report.attempt(key):
        dataset = DATASETS.build(cfg)
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
        _check_objects(dataset)
        return dataset, invented
    return None, invented


def _check_objects(dataset: Any) -> None:
    """Refuse a data set of detection whose first images are all empty."""
    if not hasattr(dataset, 'get_data_info'):
        return
    infos = [dataset.get_data_info(i) for i in range(min(len(dataset), 99))]
    if infos and not any(info.get('instances', True) for info in infos):
        classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
        raise UsageError(
            f'none of the first {len(infos)} images has an object of the '
            f'classes {classes}: metainfo.classes must be the names of the '
            'categories in ann_file (a single one with a comma after it)'
        )


def leaves(cfg: Any, key: str) -> Iterator[Tuple[str, dict]]:
    """The innermost data sets of a config, and the pipelines around them."""
    if isinstance(cfg, (list, tuple)):
        for i, part in enumerate(cfg):
            yield from leaves(part, f'{key}.{i}')
    elif isinstance(cfg, dict):
        yield key, cfg
        for name in ('dataset', 'datasets'):
            yield from leaves(cfg.get(name), f'{key}.{name}')


def missing_files(cfg: dict, key: str) -> List[str]:
    """A sentence for each file or folder of a data set that is not there."""
    root = cfg.get('data_root') or ''
    prefix = cfg.get('data_prefix') or {}
    prefix = prefix if isinstance(prefix, dict) else dict(img=prefix)
    said = []
    for name, path in (
        ('ann_file', cfg.get('ann_file')),
        *((f'data_prefix.{k}', v) for k, v in prefix.items()),
    ):
        # an address, or a pattern, is not looked for
        if not isinstance(path, str) or not path or '%' in path:
            continue
        path = os.path.join(root, path)
        if '://' in path:
            continue
        if not os.path.exists(path):
            found = 'does not exist'
        elif os.path.isdir(path) and not os.listdir(path):
            found = 'is empty'
        else:
            continue
        said.append(
            f'{key}.{name}: {path!r} {found} (working directory '
            f'{os.getcwd()}). Put the data set there, or set data_root'
        )
    return said


def missing_data(cfg: Config) -> List[str]:
    """The same for the data sets of training and validation."""
    return [
        said
        for loader in ('train_dataloader', 'val_dataloader')
        for key, leaf in leaves(
            (cfg.get(loader) or {}).get('dataset'), f'{loader}.dataset'
        )
        for said in missing_files(leaf, key)
    ]


def _invent(leaf: dict, channels: int) -> None:
    """Put invented data in the place of a data set."""
    kind = DATASETS.get(leaf['type'])
    metainfo = {
        **(getattr(kind, 'METAINFO', None) or {}),
        **(leaf.get('metainfo') or {}),
    }
    classes = metainfo.get('classes') or ('thing',)
    invented = dict(
        type=InventedDataset,
        folder=tempfile.gettempdir(),
        channels=channels,
        num_classes=1 if isinstance(classes, str) else len(classes),
        reduce_zero_label=bool(leaf.get('reduce_zero_label')),
        metainfo=metainfo,
        pipeline=leaf.get('pipeline') or [],
        test_mode=bool(leaf.get('test_mode')),
    )
    leaf.clear()
    leaf.update(invented)


def first_batches(loader: DataLoader) -> List[Any]:
    """The first batch, and the smallest that ends an epoch.

    They are put together in this process, so that an error tells where it
    happened, and nothing is left behind.
    """
    batches = loader.batch_sampler
    sampler = getattr(batches, 'sampler', ())
    images, walk = len(sampler), iter(sampler)
    # held, for an endless sampler ends with the first who leaves it
    endless = sum(1 for _ in islice(walk, images + 1)) > images
    chosen = [next(iter(batches), None)]
    if chosen[0] is None:
        raise UsageError(
            f'{len(loader.dataset)} image(s) are too few for a batch of '
            f'{batches.batch_size}: set a smaller batch_size'
        )
    last = images % getattr(batches, 'batch_size', 1)
    if last and not endless and not getattr(batches, 'drop_last', True):
        chosen.append(list(islice(sampler, last)))
    return [
        loader.collate_fn([loader.dataset[i] for i in indices])
        for indices in chosen
    ]


def batch_size(batch: Any) -> int:
    """The number of images of a batch, as a data loader gives it."""
    value = batch['inputs'] if isinstance(batch, dict) else batch
    return len(
        next(iter(value.values())) if isinstance(value, dict) else value
    )


def writable(path: str) -> bool:
    """Whether a folder is, or can be made, and written to."""
    folder = Path(path).absolute()
    while not folder.exists():
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)
