"""What the stack says in its own way, said in ours."""

import sys

import pytest
from mmdet.structures import DetDataSample
from mmengine.dataset import BaseDataset
from mmengine.registry import MODELS

from mmfreekd.compat.versions import fix_mmcv
from mmfreekd.explain import accepted, explain


def raised(function, *args):
    with pytest.raises(Exception) as caught:
        function(*args)
    return caught.value


def test_a_torchvision_that_does_not_import():
    error = ModuleNotFoundError('No module', name='torchvision')
    said = explain(error)
    assert 'init_cfg=None' in said and 'torch==' in said


def test_a_bug_is_none_of_its_business():
    error = ModuleNotFoundError('No module', name='mmfreekd.nowhere')
    assert explain(error) is None
    assert explain(raised(lambda: {}['a'])) is None


@pytest.mark.parametrize(
    'error',
    [
        ImportError('_ext.so: undefined symbol', name='mmcv._ext'),
        # what becomes of it where a registry imports mmdet
        raised(MODELS.build, dict(type='mmdet.NoSuchModel')),
    ],
)
def test_operators_that_do_not_load_are_what_is_wrong(error, monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmcv._ext', None)
    said = explain(error)
    assert 'the operators of MMCV do not load' in said
    assert said.endswith(fix_mmcv())


def test_class_names_that_are_not_those_of_the_annotations():
    """What mmengine's data sets raise where nothing is left of them."""
    error = raised(BaseDataset(lazy_init=True)._serialize_data)
    assert 'names of the categories' in explain(error)


def test_annotations_that_the_pipeline_does_not_load():
    said = explain(raised(lambda: DetDataSample().gt_instances))
    assert "no 'gt_instances'" in said and 'LoadAnnotations' in said


def test_arguments_are_looked_for_in_every_base_class():
    class Base:
        def __init__(self, base):
            pass

    class Takes(Base):
        def __init__(self, own, **kwargs):
            pass

    assert {'own', 'base'} <= accepted(Takes)
    assert accepted(lambda **kwargs: None) is None
