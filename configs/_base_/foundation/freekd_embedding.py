# An image encoder: the image embeddings are compared as they are, because the
# student's is to take the place of the teacher's.
_base_ = './images_1024.py'
max_iters = 40000
model = dict(
    type='mmfreekd.FeatureDistill',
    architecture=dict(
        type='mmfreekd.ImageEncoder',
        data_preprocessor=_base_.data_preprocessor,
        backbone=dict(type='mmfreekd.SamEncoder', arch='t')),
    teacher=dict(
        type='mmfreekd.ImageEncoder',
        data_preprocessor=_base_.data_preprocessor,
        backbone=dict(type='mmfreekd.SamEncoder', arch='b')),
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='backbone', preset='paper'))
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=max_iters, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# 8 GPUs, 2 images each
auto_scale_lr = dict(enable=False, base_batch_size=16)
optim_wrapper = dict(
    type='AmpOptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0,
         end=1000),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=1000, end=max_iters,
         eta_min=1e-5)
]
