from .freekd_distiller import FreeKDDistiller

__all__ = ['FreeKDDistiller']
