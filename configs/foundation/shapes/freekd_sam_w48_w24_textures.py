# the same by FreeKD, preset paper
_base_ = './mse_sam_w48_w24_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                _delete_=True,
                type='mmfreekd.FreeKDLoss',
                preset='paper',
                channels=64,
                prompt_ckpt='work_dirs/prompts_sam_w48.pth'))))
stage_1 = dict(max_iters=100)
