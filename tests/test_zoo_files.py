"""Checkpoints as the zoos publish them, for every teacher in configs/."""

import re
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
import yaml

from mmfreekd.checkpoints import load_weights
from mmfreekd.errors import CheckpointError
from mmfreekd.models.zoo import build_model

FREEKD = Path(__file__).parents[1] / 'configs' / 'freekd'
TEACHERS = sorted(
    {
        model['Metadata']['Teacher']['Config']
        for metafile in FREEKD.glob('*/metafile.yml')
        for model in yaml.safe_load(metafile.read_text())['Models']
    }
)
OFFSET = re.compile(r'\.conv_offset\.(weight|bias)$')


def zoo_file(weights):
    """Weights with the names and extras that older versions wrote."""
    changed = OrderedDict(weights)
    for name in weights:
        changed[f'ema_{name.replace(".", "_")}'] = weights[name]
        if name.endswith('num_batches_tracked'):
            del changed[name]
        elif OFFSET.search(name):
            changed[OFFSET.sub(r'_offset.\1', name)] = changed.pop(name)
    for name in ('mean', 'std'):
        changed[f'data_preprocessor.{name}'] = torch.ones(3, 1, 1)
    return changed


def missing(weights, name):
    del weights[name]


def renamed(weights, name):
    weights[f'{name}_'] = weights.pop(name)


def reshaped(weights, name):
    weights[name] = weights[name][None]


def unknown_ema(weights, name):
    weights['ema_something'] = weights[name]


@pytest.mark.slow
@pytest.mark.parametrize('cfg_path', TEACHERS)
def test_a_zoo_file_loads_whole_and_a_broken_one_does_not(cfg_path):
    model = build_model(dict(cfg_path=cfg_path), 'teacher')
    own = model.state_dict()
    shared = {value.data_ptr(): i for i, value in enumerate(own.values())}
    weights = {
        name: torch.full_like(value, shared[value.data_ptr()] % 7 + 1)
        for name, value in own.items()
    }
    load_weights(model, zoo_file(weights), 'zoo')
    for name, value in own.items():
        if not name.endswith('num_batches_tracked'):
            assert torch.equal(value, weights[name]), name
    name = [n for n, _ in model.named_parameters()][len(own) // 3]
    for damage in (missing, renamed, reshaped, unknown_ema):
        broken = OrderedDict(weights)
        damage(broken, name)
        with pytest.raises(CheckpointError, match='belong together'):
            load_weights(model, broken, damage.__name__)
