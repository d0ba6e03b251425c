"""What the server itself uses of the standard library, whatever a worker class makes of it.

A class that patches replaces sockets, polling, and even `os.read` and `os.write`, by ones that
wait by switching to another greenlet. The server waits in its poller alone, and often is where
nothing may switch: so what it calls is taken here, when the arbiter imports it, before any patch.
"""

import os
import select
import socket

Socket = socket.socket
poll = select.poll
fork = os.fork
waitpid = os.waitpid
close = os.close
read = os.read
write = os.write
