# ablation: J = 3
_base_ = '../freekd_retinanet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                levels=3,
                prompt_ckpt='work_dirs/prompt_retinanet_textures/prompts.pth'))))
