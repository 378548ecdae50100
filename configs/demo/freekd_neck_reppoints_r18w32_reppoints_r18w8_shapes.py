# the detection demo: RepPoints R18 (32 channels) -> R18 (8 channels)
_base_ = './reppoints_r18w8_shapes.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(cfg_path='{{ fileDirname }}/reppoints_r18w32_shapes.py'),
    teacher_ckpt='work_dirs/demo/reppoints/teacher/iter_1000.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        source='neck',
        preset=dict(name='paper', position_gate=False),
        connectors=dict(align=dict(type='mmfreekd.FeatureAlignConnector'))))
stage_1 = dict(max_iters=200)
