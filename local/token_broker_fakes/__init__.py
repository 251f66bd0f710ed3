"""Fakes of VNTANA, Vendorlink and the ARES Kudo token service that enforce their rules."""
