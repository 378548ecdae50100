import pytest
import tiny_models
from mmdet.models import RetinaNet
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.models import EncoderDecoder

from mmfreekd.errors import UsageError
from mmfreekd.models.zoo import build_model


@pytest.fixture
def config_file(tmp_path):
    """Writes a config file, without scopes as users write them."""

    def write(model, **more):
        text = Config(dict(model=model, **more)).pretty_text
        for scope in ('mmdet.', 'mmseg.'):
            text = text.replace(f"'{scope}", "'")
        path = tmp_path / 'config.py'
        path.write_text(text)
        return str(path)

    return write


def test_builds_a_config():
    assert isinstance(
        build_model(tiny_models.retinanet(), 'teacher'), RetinaNet
    )


def test_passes_on_a_model():
    model = build_model(tiny_models.retinanet(), 'teacher')
    assert build_model(model, 'teacher') is model


def test_builds_the_model_of_a_file_with_changes(config_file):
    path = config_file(tiny_models.retinanet(), default_scope='mmdet')
    model = build_model(
        dict(cfg_path=path, bbox_head=dict(num_classes=7)), 'teacher'
    )
    assert isinstance(model, RetinaNet)
    assert model.bbox_head.num_classes == 7
    assert model.neck.out_channels == 8


def test_files_of_two_packages_in_one_process(config_file):
    with DefaultScope.overwrite_default_scope('mmdet'):
        path = config_file(
            tiny_models.encoder_decoder(), default_scope='mmseg'
        )
        assert isinstance(
            build_model(dict(cfg_path=path), 'teacher'), EncoderDecoder
        )
        assert DefaultScope.get_current_instance().scope_name == 'mmdet'


def test_takes_the_files_data_preprocessor(config_file):
    model = tiny_models.encoder_decoder()
    preprocessor = dict(model.pop('data_preprocessor'), mean=[1.0, 2.0, 3.0])
    path = config_file(
        model, default_scope='mmseg', data_preprocessor=preprocessor
    )
    built = build_model(dict(cfg_path=path), 'teacher')
    assert built.data_preprocessor.mean.flatten().tolist() == [1.0, 2.0, 3.0]


def test_builds_a_model_that_an_installed_package_configures():
    model = build_model(
        dict(
            cfg_path='mmdet::retinanet/retinanet_r18_fpn_1x_coco.py',
            backbone=dict(base_channels=4, stem_channels=4, init_cfg=None),
            neck=dict(in_channels=[4, 8, 16, 32]),
        ),
        'teacher',
    )
    assert isinstance(model, RetinaNet)


def test_the_callers_config_is_left_alone(config_file):
    path = config_file(tiny_models.retinanet(), default_scope='mmdet')
    cfg = dict(cfg_path=path, bbox_head=dict(num_classes=7))
    build_model(cfg, 'teacher')
    assert cfg == dict(cfg_path=path, bbox_head=dict(num_classes=7))


@pytest.mark.parametrize(
    'cfg, message',
    [
        (None, 'teacher must be a model.*got NoneType'),
        ('retinanet.py', 'teacher must be a model.*cfg_path.*got str'),
        (dict(depth=18), "teacher must be a model.*got dict {'depth': 18}"),
        (
            dict(
                type='mmdet.FPN', in_channels=[4], out_channels=4, num_outs=1
            ),
            'teacher must be a model of mmengine.*got FPN',
        ),
        (dict(cfg_path='no/such.py'), "there is no config 'no/such.py'.*path"),
        (dict(cfg_path='mmdet::no/such.py'), "no config 'mmdet::no/such.py'"),
        (
            dict(cfg_path='no_package::such.py'),
            "the package 'no_package', which is not installed",
        ),
    ],
)
def test_refuses_what_is_no_model(cfg, message):
    with pytest.raises(UsageError, match=message):
        build_model(cfg, 'teacher')


def test_refuses_a_file_without_a_model(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text('max_iters = 3')
    with pytest.raises(UsageError, match='teacher.*defines no model'):
        build_model(dict(cfg_path=str(path)), 'teacher')
