# mean squared error of the aligned features (MMRazor's L2Loss)
_base_ = './freekd_paper_reppoints_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                _delete_=True,
                type='mmfreekd.PyramidLoss',
                num_levels=3,
                loss=dict(
                    type='mmrazor.L2Loss', normalize=False, div_element=True),
                loss_weight=1.0))))
