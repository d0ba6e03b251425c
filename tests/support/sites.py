"""The folder that the Django project of tests/apps works in."""

import os
import pathlib
import subprocess
import sys
from typing import Final

from support.server import APPS, environment

ADMIN_PASSWORD: Final = "of the admin"
"""The password of the administrator, who is called `admin`."""


def make_site_folder(folder: pathlib.Path) -> None:
    """Make the project's database in `folder`, migrated, with an administrator."""
    env = environment(
        {
            "SITE_FOLDER": str(folder),
            "DJANGO_SETTINGS_MODULE": "django_site.settings",
            "DJANGO_SUPERUSER_PASSWORD": ADMIN_PASSWORD,
            "PYTHONPATH": os.fspath(APPS),
        }
    )
    user = ["createsuperuser", "--noinput", "--username", "admin", "--email", "admin@example.com"]
    for command in (["migrate", "--run-syncdb", "--verbosity", "0"], user):
        subprocess.run([sys.executable, "-m", "django", *command], env=env, cwd=folder, check=True, timeout=60)
