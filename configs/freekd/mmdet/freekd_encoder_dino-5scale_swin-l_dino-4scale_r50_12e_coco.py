# stage 2: DINO Swin-L, 5 scales (57.2 AP) -> DINO R50, 4 scales (49.0 AP), on
# the tokens of both encoders, folded back into maps
_base_ = './freekd_neck_dino-5scale_swin-l_dino-4scale_r50_12e_coco.py'
encoder = dict(type='mmfreekd.TokenMaps', source='encoder')
model = dict(
    distiller=dict(
        student_recorders=dict(neck=encoder),
        teacher_recorders=dict(neck=encoder),
        distill_losses=dict(
            loss_freekd=dict(
                prompt_ckpt='work_dirs/prompt-encoder_dino-5scale_swin-l_coco/prompts.pth'))))
