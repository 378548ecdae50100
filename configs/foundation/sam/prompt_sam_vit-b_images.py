# stage 1: frequency prompts on the image embedding of SAM ViT-B
_base_ = '../../_base_/foundation/prompt_sam.py'
model = dict(
    teacher_ckpt='checkpoints/sam_vit-b_encoder.pth')
