# masked generative distillation (MMRazor's MGDConnector and MGDLoss)
_base_ = './freekd_paper_retinanet_textures.py'
mgd = dict(type='mmrazor.MGDLoss', alpha_mgd=1.0)
model = dict(
    distiller=dict(
        connectors=dict(
            mgd_0=dict(
                type='mmrazor.MGDConnector',
                student_channels=64,
                teacher_channels=64,
                lambda_mgd=0.65),
            mgd_1=dict(
                type='mmrazor.MGDConnector',
                student_channels=64,
                teacher_channels=64,
                lambda_mgd=0.65),
            mgd_2=dict(
                type='mmrazor.MGDConnector',
                student_channels=64,
                teacher_channels=64,
                lambda_mgd=0.65)),
        distill_losses=dict(
            _delete_=True,
            loss_mgd_0=dict(
                type='mmfreekd.PyramidLoss', loss=mgd, loss_weight=1.0),
            loss_mgd_1=dict(
                type='mmfreekd.PyramidLoss', loss=mgd, loss_weight=1.0),
            loss_mgd_2=dict(
                type='mmfreekd.PyramidLoss', loss=mgd, loss_weight=1.0)),
        loss_forward_mappings=dict(
            _delete_=True,
            loss_mgd_0=dict(
                s_feature=dict(
                    recorder='feature', from_student=True, data_idx=0,
                    connector='mgd_0'),
                t_feature=dict(
                    recorder='feature', from_student=False, data_idx=0)),
            loss_mgd_1=dict(
                s_feature=dict(
                    recorder='feature', from_student=True, data_idx=1,
                    connector='mgd_1'),
                t_feature=dict(
                    recorder='feature', from_student=False, data_idx=1)),
            loss_mgd_2=dict(
                s_feature=dict(
                    recorder='feature', from_student=True, data_idx=2,
                    connector='mgd_2'),
                t_feature=dict(
                    recorder='feature', from_student=False, data_idx=2)))))
