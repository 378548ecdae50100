# stage 1: frequency prompts on Deformable DETR R50 (44.3 AP), on the three
# stages of its backbone that its neck takes
_base_ = [
    'mmdet::_base_/datasets/coco_detection.py',
    '../../_base_/freekd/prompt_mmdet.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmdet::deformable_detr/'
        'deformable-detr_r50_16xb2-50e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v3.0/deformable_detr/deformable-detr_r50_16xb2-50e_coco/deformable-detr_r50_16xb2-50e_coco_20221029_210934-6bc7d21b.pth',
    source='backbone',
    channels=[512, 1024, 2048],
    num_levels=3)
