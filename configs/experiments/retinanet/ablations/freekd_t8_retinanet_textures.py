# ablation: T = 8
_base_ = '../freekd_retinanet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                num_prompts=8,
                prompt_ckpt='work_dirs/prompt_t8_retinanet_textures/'
                'prompts.pth'))))
