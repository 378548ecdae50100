# stage 1
_base_ = './teacher.py'
max_iters = 300
model = dict(
    _delete_=True,
    type='mmfreekd.FrequencyPromptTuning',
    architecture={{_base_.model}},
    teacher_ckpt='work_dirs/real/seg-camvid/teacher/iter_1000.pth',
    source='backbone',
    channels=112,
    preset='paper',
)
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=0.01, weight_decay=1e-3),
)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=0,
        end=max_iters,
        eta_min=1e-6,
    )
]
custom_hooks = [
    dict(type='mmfreekd.RandomStateHook'),
    dict(type='mmfreekd.PlainCheckpointHook'),
    dict(type='mmfreekd.PromptCheckpointHook'),
]
