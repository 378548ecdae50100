# the same by FreeKD with squared differences in the bands, the largest mask of
# each, and no position-aware weight
_base_ = './freekd_sam_w48_w24_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                preset=dict(
                    _delete_=True, name='paper', low_penalty='mse',
                    high_penalty='mse', position_gate=False,
                    prompt_reduction='max')))))
