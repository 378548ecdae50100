# ablation: J = 2
_base_ = '../freekd_pspnet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                levels=2,
                prompt_ckpt='work_dirs/prompt_j2_pspnet_textures/'
                'prompts.pth'))))
