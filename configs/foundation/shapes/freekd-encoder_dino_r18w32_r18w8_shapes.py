# the small DINO -> the smaller one, on the tokens of the encoders. Those come
# from a LayerNorm, 256 channels of unit size, for which stage 1's usual learning
# rate of 0.01 is too large: see docs/stages.md
_base_ = './dino_r18w8_shapes.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='{{ fileDirname }}/dino_r18w32_shapes.py'),
    teacher_ckpt='work_dirs/dino_r18w32_shapes/iter_150.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='encoder',
        preset=dict(name='paper', position_gate=False),
        loss_weight=0.1,  # 1.0 weighs as much as the task
        connectors=dict(align=dict(type='mmfreekd.FeatureAlignConnector'))))
stage_1 = dict(max_iters=60, lr=1e-3)
