# stage 2: DINO Swin-L, 5 scales (57.2 AP) -> DINO R50, 4 scales (49.0 AP)
# The teacher's first scale, stride 4, has no counterpart in the student. Its
# backbone checkpoints gradients (with_cp=True in the zoo's config).
_base_ = [
    'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py',
    '../../_base_/freekd/freekd_neck.py',
    '../../_base_/freekd/freekd_hooks.py'
]
_base_.distiller.distill_losses.loss_freekd.prompt_ckpt = \
    'work_dirs/prompt_dino-5scale_swin-l_coco/prompts.pth'
_base_.distiller.distill_losses.loss_freekd.num_levels = 4
_base_.distiller.connectors.align.num_levels = 4
_base_.distiller.loss_forward_mappings.loss_freekd.t_feature.data_idx = \
    [1, 2, 3, 4]
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='mmdet::dino/dino-5scale_swin-l_8xb2-12e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v3.0/dino/dino-5scale_swin-l_8xb2-12e_coco/dino-5scale_swin-l_8xb2-12e_coco_20230228_072924-a654145f.pth',
    distiller=_base_.distiller)
optim_wrapper = dict(type='AmpOptimWrapper')
