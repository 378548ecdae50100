# PSPNet R101 (78.34 mIoU) -> PSPNet R18 (74.87 mIoU)
_base_ = 'mmseg::pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='mmseg::pspnet/'
        'pspnet_r101-d8_4xb2-40k_cityscapes-512x1024.py'),
    teacher_ckpt='https://download.openmmlab.com/mmsegmentation/v0.5/pspnet/pspnet_r101-d8_512x1024_40k_cityscapes/pspnet_r101-d8_512x1024_40k_cityscapes_20200604_232751-467e7cf4.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='backbone.layer4',
        preset='paper'))
# 4 GPUs, 2 images each
auto_scale_lr = dict(enable=False, base_batch_size=8)
