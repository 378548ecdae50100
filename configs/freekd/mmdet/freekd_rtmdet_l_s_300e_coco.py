# RTMDet-l (51.3 AP) -> RTMDet-s (44.5 AP)
# Distillation stops when the pipeline switches, 20 epochs before the end.
_base_ = 'mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='mmdet::rtmdet/rtmdet_l_8xb32-300e_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v3.0/rtmdet/rtmdet_l_8xb32-300e_coco/rtmdet_l_8xb32-300e_coco_20220719_112030-5a0be7c4.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='neck', preset='paper'))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='mmfreekd.StopDistillHook', stop_epoch=280)
]
# the prompts see images without mosaic and mixup
stage_1 = dict(
    train_dataloader=dict(
        batch_size=2, dataset=dict(pipeline=_base_.train_pipeline_stage2)))
