# channel-wise distillation (MMRazor's ChannelWiseDivergence)
_base_ = './freekd_paper_pspnet_textures.py'
model = dict(
    distiller=dict(
        distill_losses=dict(
            loss_kd=dict(
                _delete_=True,
                type='mmfreekd.PyramidLoss',
                loss=dict(type='mmrazor.ChannelWiseDivergence', tau=1.0),
                loss_weight=1.0))))
