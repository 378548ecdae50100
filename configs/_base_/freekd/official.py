# What the official recipe adds to a pair: its preset, and a mean squared error
# of the features. `--cfg-options
# model.distiller.distill_losses.loss_spatial.loss_weight=0.0` takes it out.
official = dict(
    preset='official',
    distill_losses=dict(
        loss_spatial=dict(
            type='mmfreekd.PyramidLoss',
            loss=dict(
                type='mmrazor.L2Loss', normalize=False, div_element=True),
            num_levels=5,
            loss_weight=1.0)),
    loss_forward_mappings=dict(
        loss_spatial=dict(
            s_feature=dict(
                recorder='feature', from_student=True, connector='align'),
            t_feature=dict(recorder='feature', from_student=False))))
