# stage 1: frequency prompts on SegFormer B4 (81.89 mIoU), its four stages
_base_ = [
    'mmseg::_base_/datasets/cityscapes_1024x1024.py',
    '../../_base_/freekd/prompt_mmseg.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmseg::segformer/'
        'segformer_mit-b4_8xb1-160k_cityscapes-1024x1024.py'),
    teacher_ckpt='https://download.openmmlab.com/mmsegmentation/v0.5/segformer/segformer_mit-b4_8x1_1024x1024_160k_cityscapes/segformer_mit-b4_8x1_1024x1024_160k_cityscapes_20211207_080709-07f6c333.pth',
    source='backbone',
    channels=[64, 128, 320, 512])
