"""The runtime: performs the effects that flows yield.

`attempts` holds what all runners share, itself written as flows: signing per attempt, retries,
deadlines, the making of errors. `threads` runs flows in the caller's thread, `tasks` on asyncio; the
third runner, the simulation, is in `cloudstore.testing.simulation`.
"""
