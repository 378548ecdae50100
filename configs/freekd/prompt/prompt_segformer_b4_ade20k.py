# stage 1: frequency prompts on SegFormer B4 (48.46 mIoU), its four stages
_base_ = [
    'mmseg::_base_/datasets/ade20k.py',
    '../../_base_/freekd/prompt_mmseg.py'
]
model = dict(
    architecture=dict(
        cfg_path='mmseg::segformer/'
        'segformer_mit-b4_8xb2-160k_ade20k-512x512.py'),
    teacher_ckpt='https://download.openmmlab.com/mmsegmentation/v0.5/segformer/segformer_mit-b4_512x512_160k_ade20k/segformer_mit-b4_512x512_160k_ade20k_20210728_183055-7f509d7d.pth',
    source='backbone',
    channels=[64, 128, 320, 512])
