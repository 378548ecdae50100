# ablation: with the spatial mean squared error of the official recipe, at the
# weight chosen for MSE alone
_base_ = '../freekd_retinanet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_mse=dict(
                type='mmfreekd.PyramidLoss',
                num_levels=3,
                loss=dict(
                    type='mmrazor.L2Loss', normalize=False, div_element=True),
                loss_weight=6.1)),
        loss_forward_mappings=dict(
            loss_mse=dict(
                s_feature=dict(recorder='feature', from_student=True),
                t_feature=dict(recorder='feature', from_student=False)))))
