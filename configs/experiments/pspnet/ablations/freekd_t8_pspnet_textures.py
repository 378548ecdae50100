# ablation: T = 8
_base_ = '../freekd_pspnet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                num_prompts=8,
                prompt_ckpt='work_dirs/prompt_t8_pspnet_textures/'
                'prompts.pth'))))
