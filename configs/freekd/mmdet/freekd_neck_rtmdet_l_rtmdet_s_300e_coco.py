# stage 2: RTMDet-l (51.3 AP) -> RTMDet-s (44.5 AP)
# Distillation stops when the pipeline switches, 20 epochs before the end.
_base_ = [
    'mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py',
    '../../_base_/freekd/freekd_neck.py'
]
_base_.distiller.distill_losses.loss_freekd.prompt_ckpt = \
    'work_dirs/prompt_rtmdet_l_coco/prompts.pth'
_base_.distiller.distill_losses.loss_freekd.num_levels = 3
_base_.distiller.connectors.align.update(in_channels=128, num_levels=3)
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='mmdet::rtmdet/rtmdet_l_8xb32-300e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v3.0/rtmdet/rtmdet_l_8xb32-300e_coco/rtmdet_l_8xb32-300e_coco_20220719_112030-5a0be7c4.pth',
    distiller=_base_.distiller)
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='mmrazor.StopDistillHook', stop_epoch=280),
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.StudentCheckpointHook')
]
