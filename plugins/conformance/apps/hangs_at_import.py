"""A module whose import never ends."""

from heeler.plugins.conformance.apps import common

common.say("import begun")
common.block()
