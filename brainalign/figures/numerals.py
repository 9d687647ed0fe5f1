"""How numbers are written: enough places to tell a value from 0, and a minus that is one."""

import numpy as np


def said(value, digits=3):
    """`−0.012`; what rounds to 0 has no sign."""
    return f"{value:z.{digits}f}".replace("-", "−")


def digits(values):
    """Decimal places for numbers that stand together: 3, and 4 where one that is not 0 would read 0.000."""
    values = np.abs(np.asarray(values, float))
    return 4 if ((values > 0) & (values < 0.0005)).any() else 3
