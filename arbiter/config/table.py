"""The one table of the core's settings, in the order in which people read them."""

from typing import Final

from heeler.arbiter.config.settings.config_file import CONFIG_FILE
from heeler.arbiter.config.settings.development import DEVELOPMENT
from heeler.arbiter.config.settings.dispatch import DISPATCH
from heeler.arbiter.config.settings.hook_functions import HOOK_FUNCTIONS
from heeler.arbiter.config.settings.http import HTTP
from heeler.arbiter.config.settings.limits import LIMITS
from heeler.arbiter.config.settings.logs import LOGS
from heeler.arbiter.config.settings.process import PROCESS
from heeler.arbiter.config.settings.sockets import SOCKETS
from heeler.arbiter.config.settings.systemd import SYSTEMD
from heeler.arbiter.config.settings.timeouts import TIMEOUTS
from heeler.arbiter.config.settings.worker_processes import WORKER_PROCESSES
from heeler.plugins.setting import Setting

SETTINGS: Final[tuple[Setting, ...]] = (
    CONFIG_FILE
    + SOCKETS
    + DISPATCH
    + WORKER_PROCESSES
    + TIMEOUTS
    + LIMITS
    + HTTP
    + PROCESS
    + SYSTEMD
    + LOGS
    + DEVELOPMENT
    + HOOK_FUNCTIONS
)
"""Every setting of the core."""
