# ablation: no prompts
_base_ = '../freekd_pspnet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(num_prompts=0, prompt_ckpt=None))))
