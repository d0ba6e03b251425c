"""A client that sends any bytes and reads responses strictly: that of the conformance kit."""

from heeler.plugins.conformance.client import Address, Client, Response, ResponseError, build_request, exchange, get

__all__ = ["Address", "Client", "Response", "ResponseError", "build_request", "exchange", "get"]
