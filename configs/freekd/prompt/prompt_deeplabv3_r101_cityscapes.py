# stage 1: frequency prompts on DeepLabV3 R101 (80.20 mIoU), last stage
_base_ = [
    'mmseg::_base_/datasets/cityscapes.py',
    '../../_base_/freekd/prompt_mmseg.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmseg::deeplabv3/'
        'deeplabv3_r101-d8_4xb2-80k_cityscapes-512x1024.py'),
    teacher_ckpt='https://download.openmmlab.com/mmsegmentation/v0.5/deeplabv3/deeplabv3_r101-d8_512x1024_80k_cityscapes/deeplabv3_r101-d8_512x1024_80k_cityscapes_20200606_113503-9e428899.pth')
