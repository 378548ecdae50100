# the image encoder of SAM ViT-B -> one of the width of DeiT-T
_base_ = '../../_base_/foundation/freekd_embedding.py'
model = dict(teacher_ckpt='checkpoints/sam_vit-b_encoder.pth')
