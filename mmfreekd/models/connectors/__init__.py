from .feature_align_connector import FeatureAlignConnector

__all__ = ['FeatureAlignConnector']
