# the official recipe: its preset, and a mean squared error of the features
_base_ = './freekd_neck.py'
distiller = dict(
    distill_losses=dict(
        loss_freekd=dict(preset='official'),
        loss_spatial=dict(
            type='mmfreekd.PyramidLoss',
            loss=dict(
                type='mmrazor.L2Loss', normalize=False, div_element=True),
            num_levels=5,
            loss_weight=1.0)),
    loss_forward_mappings=dict(
        loss_spatial=dict(
            s_feature=dict(
                recorder='neck', from_student=True, connector='align'),
            t_feature=dict(recorder='neck', from_student=False))))
