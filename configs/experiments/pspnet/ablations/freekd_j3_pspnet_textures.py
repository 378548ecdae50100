# ablation: J = 3
_base_ = '../freekd_pspnet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                levels=3,
                prompt_ckpt='work_dirs/prompt_pspnet_textures/prompts.pth'))))
