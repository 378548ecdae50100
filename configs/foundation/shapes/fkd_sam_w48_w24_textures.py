# the same by the plain frequency distance, without prompts
_base_ = './freekd_sam_w48_w24_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                num_prompts=0, position_gate=False, prompt_ckpt=None))))
