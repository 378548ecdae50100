# the student with the teacher's neck and head, as every distilled one has
# them, and nothing else
_base_ = './fkd_retinanet_textures.py'
model = dict(distiller=dict(distill_losses=dict(loss_kd=dict(loss_weight=0.0))))
