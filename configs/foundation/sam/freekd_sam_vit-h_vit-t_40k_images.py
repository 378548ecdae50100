# the image encoder of SAM ViT-H -> one of the width of DeiT-T
_base_ = '../../_base_/foundation/freekd_embedding.py'
model = dict(
    teacher=dict(backbone=dict(arch='h')),
    teacher_ckpt='checkpoints/sam_vit-h_encoder.pth')
