"""Moving what is large, as flows over a driver: cut into parts, side by side, bounded, verified.

``plan`` says what is cut where (pure), ``upload`` and ``download`` do it. Nothing here knows a vendor,
and nothing does I/O but through effects.
"""
