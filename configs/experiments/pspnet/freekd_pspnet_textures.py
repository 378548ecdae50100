# FreeKD as recommended: one wavelet level, for the maps are small, and an
# alignment of 3 x 3 pixels
_base_ = './freekd_paper_pspnet_textures.py'
model = dict(
    distiller=dict(
        connectors=dict(align=dict(kernel_size=3)),
        distill_losses=dict(
            loss_kd=dict(
                preset='recommended',
                levels=1,
                prompt_ckpt='work_dirs/prompt_j1_pspnet_textures/prompts.pth',
                loss_weight=1.0))))
