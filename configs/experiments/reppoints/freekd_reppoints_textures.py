# FreeKD as recommended: one wavelet level, for the maps are small; here the
# high bands count a third
_base_ = './freekd_paper_reppoints_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                preset='recommended',
                levels=1,
                high_weight=1 / 3,
                prompt_ckpt='work_dirs/prompt_j1_reppoints_textures/prompts.pth',
                loss_weight=1.0))))
