# stage 1: frequency prompts on the image embedding of SAM ViT-L
_base_ = '../../_base_/foundation/prompt_sam.py'
model = dict(
    architecture=dict(backbone=dict(arch='l')),
    teacher_ckpt='checkpoints/sam_vit-l_encoder.pth')
