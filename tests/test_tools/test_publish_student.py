"""tools/publish_student.py: plain, named by its hash, verified."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_models
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmfreekd.errors import CheckpointError, UsageError
from mmfreekd.registry import MODELS

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
# stock mmdet and mmseg, in a process that cannot have this project
STOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('mmfreekd', 'mmrazor'):
            raise ImportError(f'{name} is blocked')
for name in [n for n in sys.modules if n.startswith('mmfreekd')]:
    del sys.modules[name]
sys.meta_path = [Blocker()] + [
    f for f in sys.meta_path if type(f).__name__ != 'CompatFinder']
import torch
from mmdet.apis import init_detector
from mmengine.runner import load_checkpoint
model = init_detector(sys.argv[1], None, device='cpu', palette='random')
load_checkpoint(model, sys.argv[2], strict=True)
meta = torch.load(sys.argv[2])['meta']
print(meta['dataset_meta'], len(meta['cfg']))
"""


@pytest.fixture()
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import publish_student

    return publish_student


def distillation_config(student):
    return dict(
        default_scope='mmdet',
        model=dict(
            type='mmfreekd.FreeKDDistill',
            architecture=student,
            teacher=dict(cfg_path='not_there.py'),
            teacher_ckpt='secret/teacher.pth',
        ),
        custom_hooks=[dict(type='mmfreekd.StudentCheckpointHook')],
        test_cfg=dict(type='TestLoop'),
        test_dataloader=None,
    )


def save(path, weights, prefix='', cfg=None, **meta):
    state = {prefix + key: value for key, value in weights.items()}
    state |= (
        {'distiller.connectors.align.weight': torch.ones(1)} if prefix else {}
    )
    if cfg:
        meta['cfg'] = Config(cfg).pretty_text
    torch.save(dict(meta=meta, state_dict=state, optimizer={'lr': 1}), path)
    return str(path)


@pytest.fixture()
def student():
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MODELS.build(tiny_models.retinanet()).state_dict()


def publish(tool, checkpoint, name, *options):
    return tool.publish(tool.parse_args([checkpoint, str(name), *options]))


@pytest.mark.parametrize(
    'prefix',
    ['architecture.', 'architecture.model.', 'module.architecture.', ''],
)
def test_the_student_of_any_checkpoint(tool, tmp_path, student, prefix):
    cfg = distillation_config(tiny_models.retinanet())
    source = save(tmp_path / 'a.pth', student, prefix, cfg, iter=7)
    checkpoint, config = publish(tool, source, tmp_path / 'new' / 'tiny')
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert checkpoint.name == f'tiny-{digest[:8]}.pth'
    assert sorted(config.parent.iterdir()) == sorted([checkpoint, config])
    published = torch.load(checkpoint, weights_only=True)
    assert set(published) == {'meta', 'state_dict'}
    assert published['meta']['iter'] == 7
    assert published['state_dict'].keys() == student.keys()
    for key, value in student.items():
        assert torch.equal(published['state_dict'][key], value)
    text = config.read_text()
    assert published['meta']['cfg'] == text
    assert not re.search('mmfreekd|teacher|custom_hooks', text)
    assert Config.fromfile(config).model.type == 'mmdet.RetinaNet'


def test_a_distillation_that_names_its_student_by_file(
    tool, tmp_path, student
):
    (tmp_path / 'wide.py').write_text(
        Config(
            dict(
                default_scope='mmdet',
                model=tiny_models.retinanet(base_channels=99),
            )
        ).pretty_text
    )
    named = dict(
        cfg_path=str(tmp_path / 'wide.py'),
        pretrained=False,
        backbone=dict(base_channels=4, stem_channels=4),
        neck=dict(in_channels=[4, 8, 16, 32]),
    )
    cfg = distillation_config(named)
    source = save(tmp_path / 'a.pth', student, 'architecture.', cfg)
    _, config = publish(tool, source, tmp_path / 'tiny')
    assert Config.fromfile(config).model.backbone.base_channels == 4


def test_the_preprocessor_of_the_distillation_goes_along(
    tool, tmp_path, student
):
    model = tiny_models.retinanet()
    cfg = distillation_config(model)
    cfg['model']['data_preprocessor'] = dict(
        model.pop('data_preprocessor'), mean=[1.0, 2.0, 3.0]
    )
    source = save(tmp_path / 'a.pth', student, 'architecture.', cfg)
    _, config = publish(tool, source, tmp_path / 'tiny')
    preprocessor = Config.fromfile(config).model.data_preprocessor
    assert preprocessor.mean == [1.0, 2.0, 3.0]


@pytest.mark.slow
def test_stock_mmdet_loads_it_strictly(tool, tmp_path, student):
    cfg = distillation_config(tiny_models.retinanet())
    source = save(
        tmp_path / 'a.pth',
        student,
        'architecture.',
        cfg,
        dataset_meta=dict(classes=('cat', 'dog')),
    )
    checkpoint, config = publish(tool, source, tmp_path / 'tiny')
    printed = subprocess.run(
        [sys.executable, '-c', STOCK, config, checkpoint],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert printed.returncode == 0, printed.stderr[-3000:]
    assert "{'classes': ('cat', 'dog')}" in printed.stdout


def test_weights_of_another_model_leave_nothing_behind(
    tool, tmp_path, student
):
    cfg = distillation_config(tiny_models.retinanet(neck_channels=16))
    source = save(tmp_path / 'a.pth', student, 'architecture.', cfg)
    with pytest.raises(CheckpointError, match='with another shape'):
        publish(tool, source, tmp_path / 'tiny')
    assert [path.name for path in tmp_path.iterdir()] == ['a.pth']


def test_a_config_is_asked_for_where_there_is_none(tool, tmp_path, student):
    source = save(tmp_path / 'a.pth', student, 'architecture.')
    with pytest.raises(UsageError, match='--config'):
        publish(tool, source, tmp_path / 'tiny')
    config = tmp_path / 'given.py'
    config.write_text(
        Config(distillation_config(tiny_models.retinanet())).pretty_text
    )
    files = publish(tool, source, tmp_path / 'tiny', '--config', str(config))
    assert all(path.is_file() for path in files)


def test_what_exists_is_not_written_over(tool, tmp_path, student):
    cfg = distillation_config(tiny_models.retinanet())
    source = save(tmp_path / 'a.pth', student, 'architecture.', cfg)
    (tmp_path / 'tiny.py').write_text('mine')
    with pytest.raises(UsageError, match="tiny.py' exists"):
        publish(tool, source, tmp_path / 'tiny')
    assert (tmp_path / 'tiny.py').read_text() == 'mine'
