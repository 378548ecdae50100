# the segmentation demo: PSPNet R18 (32 channels) -> R18 (8 channels)
_base_ = './pspnet_r18w8_shapes.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture={{_base_.model}},
    teacher=dict(cfg_path='{{ fileDirname }}/pspnet_r18w32_shapes.py'),
    teacher_ckpt='work_dirs/demo/pspnet/teacher/iter_1000.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller',
        source='backbone.layer4',
        preset=dict(name='paper', position_gate=False)))
stage_1 = dict(max_iters=200)
