# ablation: without the loss of the boxes
_base_ = '../freekd_retinanet_textures.py'
model = dict(
    distiller=dict(distill_losses=dict(loss_boxes=dict(loss_weight=0.0))))
