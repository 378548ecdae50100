"""What the stack says in its own way, said in ours."""

import sys

import pytest
from mmengine.dataset import BaseDataset

from mmfreekd.compat.versions import fix_mmcv
from mmfreekd.explain import explain


def missing(name):
    return ModuleNotFoundError(f'No module named {name!r}', name=name)


@pytest.mark.parametrize(
    'error',
    [
        missing('torchvision'),
        RuntimeError('operator torchvision::nms does not exist'),
    ],
)
def test_a_torchvision_that_does_not_import(error):
    said = explain(error)
    assert 'init_cfg=None' in said and 'torch==' in said


def test_another_module_that_is_missing_may_be_a_bug():
    assert explain(missing('mmfreekd.nowhere')) is None


@pytest.mark.parametrize(
    'error',
    [
        ImportError('_ext.so: undefined symbol: _ZN3c10', name='mmcv._ext'),
        # what becomes of it where a registry imports mmdet
        KeyError('FasterRCNN is not in the mmdet::model registry.'),
    ],
)
def test_operators_that_do_not_load_are_what_is_wrong(error, monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmcv._ext', None)
    said = explain(error)
    assert 'the operators of MMCV do not load' in said
    assert said.endswith(fix_mmcv())


def test_class_names_that_are_not_those_of_the_annotations():
    """What mmengine's data sets raise where nothing is left of them."""
    with pytest.raises(ValueError) as caught:
        BaseDataset(lazy_init=True)._serialize_data()
    assert 'names of the categories' in explain(caught.value)
