# stage 1: frequency prompts on DINO Swin-L (57.2 AP), on the last four of its
# five scales, which a student of four scales has too. Its backbone checkpoints
# gradients (with_cp=True in the zoo's config).
_base_ = [
    'mmdet::_base_/datasets/coco_detection.py',
    '../../_base_/freekd/prompt_mmdet.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmdet::dino/dino-5scale_swin-l_8xb2-12e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v3.0/dino/dino-5scale_swin-l_8xb2-12e_coco/dino-5scale_swin-l_8xb2-12e_coco_20230228_072924-a654145f.pth',
    data_idx=[1, 2, 3, 4],
    num_levels=4)
# its channels are normalised to unit size: see docs/stage_1.md, learning rate
optim_wrapper = dict(type='AmpOptimWrapper', optimizer=dict(lr=1e-3))
