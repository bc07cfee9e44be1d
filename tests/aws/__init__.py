"""An AWS endpoint for tests and for the demo: moto, made to behave as AWS does.

`serve` runs it as a process of its own, `endpoint.Endpoint` starts one from Python.
"""
