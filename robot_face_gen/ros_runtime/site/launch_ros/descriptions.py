"""Parameters of a node that are known only while launching."""

from launch._subset import subset

from .parameter_descriptions import Parameter, ParameterFile, ParameterValue

__all__ = ['Parameter', 'ParameterFile', 'ParameterValue']
__getattr__ = subset(__name__, __all__)
