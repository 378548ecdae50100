# stage 1: frequency prompts on PSPNet R101 (78.34 mIoU), last stage
_base_ = [
    'mmseg::_base_/datasets/cityscapes.py',
    '../../_base_/freekd/prompt_mmseg.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmseg::pspnet/'
        'pspnet_r101-d8_4xb2-40k_cityscapes-512x1024.py'),
    teacher_ckpt='https://download.openmmlab.com/mmsegmentation/v0.5/pspnet/pspnet_r101-d8_512x1024_40k_cityscapes/pspnet_r101-d8_512x1024_40k_cityscapes_20200604_232751-467e7cf4.pth')
