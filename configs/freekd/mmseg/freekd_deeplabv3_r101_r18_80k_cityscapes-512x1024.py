# DeepLabV3 R101 (80.20 mIoU) -> DeepLabV3 R18 (76.70 mIoU)
_base_ = 'mmseg::deeplabv3/deeplabv3_r18-d8_4xb2-80k_cityscapes-512x1024.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='mmseg::deeplabv3/'
        'deeplabv3_r101-d8_4xb2-80k_cityscapes-512x1024.py'),
    teacher_ckpt='https://download.openmmlab.com/mmsegmentation/v0.5/deeplabv3/deeplabv3_r101-d8_512x1024_80k_cityscapes/deeplabv3_r101-d8_512x1024_80k_cityscapes_20200606_113503-9e428899.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='backbone.layer4',
        preset='paper'))
# 4 GPUs, 2 images each
auto_scale_lr = dict(enable=False, base_batch_size=8)
