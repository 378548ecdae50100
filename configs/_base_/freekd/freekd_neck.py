# FreeKD between two necks, as in the paper: five pyramid levels, 256 channels
distiller = dict(
    type='mmfreekd.FreeKDDistiller',
    student_recorders=dict(
        neck=dict(type='mmrazor.ModuleOutputs', source='neck')),
    teacher_recorders=dict(
        neck=dict(type='mmrazor.ModuleOutputs', source='neck')),
    connectors=dict(
        align=dict(
            type='mmfreekd.FeatureAlignConnector',
            in_channels=256,
            out_channels=256,
            num_levels=5)),
    distill_losses=dict(
        loss_freekd=dict(
            type='mmfreekd.FreeKDLoss',
            preset='paper',
            channels=256,
            num_levels=5,
            loss_weight=1.0)),
    loss_forward_mappings=dict(
        loss_freekd=dict(
            s_feature=dict(
                recorder='neck', from_student=True, connector='align'),
            t_feature=dict(recorder='neck', from_student=False))))
