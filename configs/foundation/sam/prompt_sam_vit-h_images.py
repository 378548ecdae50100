# stage 1: frequency prompts on the image embedding of SAM ViT-H
_base_ = '../../_base_/foundation/prompt_sam.py'
model = dict(
    architecture=dict(backbone=dict(arch='h')),
    teacher_ckpt='checkpoints/sam_vit-h_encoder.pth')
