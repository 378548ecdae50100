# SegFormer B4 (81.89 mIoU) -> SegFormer B0 (76.54 mIoU), all four stages
_base_ = 'mmseg::segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='mmseg::segformer/'
        'segformer_mit-b4_8xb1-160k_cityscapes-1024x1024.py'),
    teacher_ckpt='https://download.openmmlab.com/mmsegmentation/v0.5/segformer/segformer_mit-b4_8x1_1024x1024_160k_cityscapes/segformer_mit-b4_8x1_1024x1024_160k_cityscapes_20211207_080709-07f6c333.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='backbone', preset='paper'))
# 8 GPUs, 1 image each
auto_scale_lr = dict(enable=False, base_batch_size=8)
