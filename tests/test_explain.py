"""What the stack says in its own way, said in ours."""

import pytest

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
