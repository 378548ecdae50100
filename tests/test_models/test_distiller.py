import pytest
import tiny_models

from mmfreekd.errors import UsageError
from mmfreekd.models.zoo import build_model
from mmfreekd.registry import MODELS


@pytest.fixture(scope='module')
def detector():
    return build_model(tiny_models.retinanet(), 'teacher')


def build(**changes):
    cfg = tiny_models.distiller(8, 8, num_levels=3)
    cfg.update(changes)
    return MODELS.build(cfg)


@pytest.mark.parametrize('who', ['student', 'teacher'])
def test_suggests_near_names_for_a_layer_that_does_not_exist(detector, who):
    distiller = build(
        **{
            f'{who}_recorders': dict(
                feature=dict(type='ModuleOutputs', source='backbone.layer5')
            )
        }
    )
    with pytest.raises(
        UsageError,
        match=rf'the {who} \(RetinaNet\) has no '
        "layer 'backbone.layer5'.*backbone.layer4",
    ):
        getattr(distiller, f'prepare_from_{who}')(detector)


@pytest.mark.parametrize('kind', ['ModuleOutputs', 'ModuleInputs'])
def test_needs_each_recorded_module_once(kind):
    distiller = build(
        teacher_recorders=dict(
            feature=dict(type=kind, source='neck'),
            more=dict(type=kind, source='backbone.layer1'),
        )
    )
    assert distiller.teacher_sources() == {'neck': 1, 'backbone.layer1': 1}


def test_needs_a_module_as_often_as_the_mapping_says():
    mappings = dict(
        loss_freekd=dict(
            s_feature=dict(
                recorder='feature', from_student=True, record_idx=4
            ),
            t_feature=dict(
                recorder='feature', from_student=False, record_idx=2
            ),
        )
    )
    assert build(loss_forward_mappings=mappings).teacher_sources() == {
        'neck': 3
    }


def test_needs_the_whole_teacher_for_what_is_no_module():
    recorders = dict(
        feature=dict(type='ModuleOutputs', source='neck'),
        weight=dict(type='Parameter', source='neck.fpn_convs.0.conv.weight'),
    )
    assert build(teacher_recorders=recorders).teacher_sources() == {}


def test_a_list_of_indices_gives_a_tuple_in_its_order(detector):
    distiller = build()
    distiller.prepare_from_student(detector)
    recorder = distiller.student_recorders.get_recorder('feature')
    recorder.data_buffer.extend([('a', 'b'), ('c', 'd'), ('e', 'f')])

    def get(**record):
        return distiller.get_record('feature', True, **record)

    assert get() == ('a', 'b')
    assert get(record_idx=1) == ('c', 'd')
    assert get(record_idx=1, data_idx=1) == 'd'
    assert get(record_idx=[2, 0]) == (('e', 'f'), ('a', 'b'))
    assert get(record_idx=[2, 0], data_idx=1) == ('f', 'b')
    distiller.connectors['align'].forward = reversed_list
    assert get(record_idx=[2, 0], data_idx=1, connector='align') == ['b', 'f']
    assert get(record_idx=[0], connector='align', connector_idx=0) == (
        'a',
        'b',
    )


def reversed_list(levels, sizes):
    return list(levels)[::-1]


def test_needs_a_layer_as_often_as_the_greatest_index_says():
    cfg = tiny_models.distiller(8, 8, num_levels=3)
    for feature in cfg.loss_forward_mappings.loss_freekd.values():
        feature.record_idx = [0, 4, 1]
    assert MODELS.build(cfg).teacher_sources() == {'neck': 5}
