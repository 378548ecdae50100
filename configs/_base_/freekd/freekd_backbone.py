# FreeKD between two segmenters: the last stage of R18 and R101, one feature
distiller = dict(
    type='mmfreekd.FreeKDDistiller',
    student_recorders=dict(
        feature=dict(type='mmrazor.ModuleOutputs', source='backbone.layer4')),
    teacher_recorders=dict(
        feature=dict(type='mmrazor.ModuleOutputs', source='backbone.layer4')),
    connectors=dict(
        align=dict(
            type='mmfreekd.FeatureAlignConnector',
            in_channels=512,
            out_channels=2048)),
    distill_losses=dict(
        loss_freekd=dict(
            type='mmfreekd.FreeKDLoss',
            preset='paper',
            channels=2048,
            loss_weight=1.0)),
    loss_forward_mappings=dict(
        loss_freekd=dict(
            s_feature=dict(
                recorder='feature', from_student=True, connector='align'),
            t_feature=dict(recorder='feature', from_student=False))))
