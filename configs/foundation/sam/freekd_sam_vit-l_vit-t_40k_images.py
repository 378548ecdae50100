# the image encoder of SAM ViT-L -> one of the width of DeiT-T
_base_ = '../../_base_/foundation/freekd_embedding.py'
model = dict(
    teacher=dict(backbone=dict(arch='l')),
    teacher_ckpt='checkpoints/sam_vit-l_encoder.pth')
