# stage 2: DINO R50 (49.0 AP) -> DINO R18, both of 4 scales, on the tokens of
# both encoders, folded back into maps
_base_ = './freekd_neck_dino-4scale_r50_dino-4scale_r18_12e_coco.py'
encoder = dict(type='mmfreekd.TokenMaps', source='encoder')
model = dict(
    distiller=dict(
        student_recorders=dict(neck=encoder),
        teacher_recorders=dict(neck=encoder),
        distill_losses=dict(
            loss_freekd=dict(
                prompt_ckpt='work_dirs/prompt-encoder_dino-4scale_r50_coco/prompts.pth'))))
