# stage 1 of the segmentation demo: frequency prompts on the frozen teacher
_base_ = './pspnet_r18w32_shapes.py'
max_iters = 200
model = dict(
    _delete_=True,
    type='mmfreekd.FrequencyPromptTuning',
    architecture={{_base_.model}},
    teacher_ckpt='work_dirs/demo/pspnet/teacher/iter_1000.pth',
    source='backbone.layer4',
    channels=256)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=0.01, weight_decay=1e-3))
param_scheduler = [
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, end=max_iters,
         eta_min=1e-6)
]
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.PromptCheckpointHook'),
    dict(type='mmfreekd.FrequencyLogHook')
]
