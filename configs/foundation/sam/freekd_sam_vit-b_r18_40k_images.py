# the image encoder of SAM ViT-B -> ResNet-18 with a light neck, whose
# embedding has the size of the third stage, stride 16
_base_ = './freekd_sam_vit-b_vit-t_40k_images.py'
model = dict(
    architecture=dict(
        backbone=dict(
            _delete_=True,
            type='mmdet.ResNet',
            depth=18,
            out_indices=(1, 2, 3),
            norm_cfg=dict(type='SyncBN', requires_grad=True),
            norm_eval=False,
            init_cfg=dict(
                type='Pretrained', checkpoint='torchvision://resnet18')),
        neck=dict(
            type='mmfreekd.EmbeddingNeck',
            in_channels=[128, 256, 512],
            level=1)),
    distiller=dict(
        _delete_=True,
        type='mmfreekd.FreeKDDistiller', student_source='neck',
        teacher_source='backbone', preset='paper'))
