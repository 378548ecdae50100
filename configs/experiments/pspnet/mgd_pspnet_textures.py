# masked generative distillation (MMRazor's MGDConnector and MGDLoss)
_base_ = './freekd_paper_pspnet_textures.py'
model = dict(
    distiller=dict(
        connectors=dict(
            align=dict(
                _delete_=True,
                type='mmrazor.MGDConnector',
                student_channels=128,
                teacher_channels=256,
                lambda_mgd=0.65)),
        distill_losses=dict(
            loss_kd=dict(
                _delete_=True,
                type='mmfreekd.PyramidLoss',
                loss=dict(type='mmrazor.MGDLoss', alpha_mgd=1.0),
                loss_weight=1.0))))
