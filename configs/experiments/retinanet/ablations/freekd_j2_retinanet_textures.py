# ablation: J = 2
_base_ = '../freekd_retinanet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                levels=2,
                prompt_ckpt='work_dirs/prompt_j2_retinanet_textures/'
                'prompts.pth'))))
