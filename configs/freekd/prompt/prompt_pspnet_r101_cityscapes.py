# stage 1: frequency prompts on PSPNet R101 (78.34 mIoU), last stage
_base_ = 'mmseg::pspnet/pspnet_r101-d8_4xb2-40k_cityscapes-512x1024.py'
teacher_ckpt = 'https://download.openmmlab.com/mmsegmentation/v0.5/pspnet/pspnet_r101-d8_512x1024_40k_cityscapes/pspnet_r101-d8_512x1024_40k_cityscapes_20200604_232751-467e7cf4.pth'
max_iters = 2000
model = dict(
    _delete_=True,
    type='mmfreekd.FrequencyPromptTuning',
    architecture={{_base_.model}},
    teacher_ckpt=teacher_ckpt,
    source='backbone.layer4',
    channels=2048)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(
    _delete_=True, type='OptimWrapper',
    optimizer=dict(type='Adam', lr=0.01, weight_decay=1e-3))
param_scheduler = [
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, end=max_iters,
         eta_min=1e-6)
]
default_hooks = dict(checkpoint=dict(interval=500, max_keep_ckpts=2))
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.PromptCheckpointHook')
]
