"""Token Broker: one live token per upstream account, kept right among many Lambdas.

Read `broker` for what happens on a call, `item` for what is kept and decided, and a flow
(`vntana`, `vendorlink`, `editor`) for how a token is had from its vendor.
"""
