# FreeKD as recommended: what measured best
_base_ = './freekd_paper_retinanet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                preset='recommended',
                loss_weight=1.0))))
