# PKD with all that FreeKD is recommended with, its own loss apart
_base_ = './freekd_reppoints_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                _delete_=True,
                type='mmfreekd.PyramidLoss',
                num_levels=3,
                loss=dict(type='mmrazor.PKDLoss'),
                loss_weight=1.0))))
