# the same by the plain frequency distance, without prompts
_base_ = './freekd_embedding_sam_w48_sam_w24_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                num_prompts=0, position_gate=None, prompt_ckpt=None))))
