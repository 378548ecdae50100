# SegFormer B4 (48.46 mIoU) -> SegFormer B0 (37.41 mIoU), all four stages
_base_ = 'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py'
model = dict(
    _delete_=True,
    type='mmfreekd.FreeKDDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='mmseg::segformer/'
        'segformer_mit-b4_8xb2-160k_ade20k-512x512.py'),
    teacher_ckpt='https://download.openmmlab.com/mmsegmentation/v0.5/segformer/segformer_mit-b4_512x512_160k_ade20k/segformer_mit-b4_512x512_160k_ade20k_20210728_183055-7f509d7d.pth',
    distiller=dict(
        type='mmfreekd.FreeKDDistiller', source='backbone', preset='paper'))
# 8 GPUs, 2 images each
auto_scale_lr = dict(enable=False, base_batch_size=16)
