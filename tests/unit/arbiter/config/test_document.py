"""The generated pages are those of the code."""

import pathlib

from heeler.arbiter.config.document import hooks_page, main, settings_page
from heeler.arbiter.config.table import SETTINGS
from heeler.plugins.exit_status import ExitStatus

REFERENCE = pathlib.Path(__file__).resolve().parents[4] / "docs" / "reference"


def test_settings_page_is_current() -> None:
    """Else run `python -m heeler.arbiter.config.document docs/reference`."""
    assert (REFERENCE / "settings.md").read_text() == settings_page()


def test_hooks_page_is_current() -> None:
    """Else run `python -m heeler.arbiter.config.document docs/reference`."""
    assert (REFERENCE / "hooks.md").read_text() == hooks_page()


def test_generator_writes_both(tmp_path: pathlib.Path) -> None:
    """The command that the pages name writes them."""
    assert main([str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hooks.md", "settings.md"]


def test_every_exit_status_is_documented() -> None:
    """Each has its row, with name and number."""
    text = (REFERENCE / "exit-statuses.md").read_text()
    assert all(f"| {status.value} | `{status.name}` |" in text for status in ExitStatus)


def test_table_is_in_order() -> None:
    """No name, flag or variable stands for two settings; each default is a right value."""
    for names in (
        [setting.name for setting in SETTINGS],
        [flag for setting in SETTINGS for flag in setting.cli],
        [variable for setting in SETTINGS for variable in setting.env],
    ):
        assert len(names) == len(set(names))
    for setting in SETTINGS:
        assert setting.parse(setting.parse(setting.default)) == setting.parse(setting.default), setting.name
        assert setting.doc.endswith("."), setting.name
