# stage 1: frequency prompts on DINO R50 (49.0 AP)
_base_ = [
    'mmdet::_base_/datasets/coco_detection.py',
    '../../_base_/freekd/prompt_mmdet.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v3.0/dino/dino-4scale_r50_8xb2-12e_coco/dino-4scale_r50_8xb2-12e_coco_20221202_182705-55b2bba2.pth',
    num_levels=4)
# its channels are normalised to unit size: see docs/stage_1.md, learning rate
optim_wrapper = dict(type='AmpOptimWrapper', optimizer=dict(lr=1e-3))
