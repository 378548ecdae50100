# the same by FreeKD, preset paper
_base_ = './mse_sam_w48_sam_w24_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                _delete_=True,
                type='mmfreekd.FreeKDLoss',
                preset='paper',
                channels=64,
                prompt_ckpt='work_dirs/prompt_sam_w48_textures/prompts.pth'))))
