# ablation: J = 2
_base_ = '../freekd_paper_reppoints_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                levels=2,
                prompt_ckpt='work_dirs/prompt_j2_reppoints_textures/'
                'prompts.pth'))))
