# stage 1: frequency prompts on two-stage Deformable DETR R50 (47.0 AP)
_base_ = [
    'mmdet::_base_/datasets/coco_detection.py',
    '../../_base_/freekd/prompt_mmdet.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmdet::deformable_detr/'
        'deformable-detr-refine-twostage_r50_16xb2-50e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v3.0/deformable_detr/deformable-detr-refine-twostage_r50_16xb2-50e_coco/deformable-detr-refine-twostage_r50_16xb2-50e_coco_20221021_184714-acc8a5ff.pth',
    num_levels=4)
# its neck's channels are normalised to unit size: see docs/stage_1.md, learning
# rate
optim_wrapper = dict(optimizer=dict(lr=1e-3))
