"""Small data sets of drawn shapes, in COCO or Cityscapes format."""
