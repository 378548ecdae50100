# ablation: T = 6
_base_ = '../freekd_pspnet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                num_prompts=6,
                prompt_ckpt='work_dirs/prompt_t6_pspnet_textures/'
                'prompts.pth'))))
