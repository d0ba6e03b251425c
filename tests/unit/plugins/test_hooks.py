"""A hook gets as many arguments as it takes."""

import pytest

from heeler.plugins.hooks import HOOKS, Hook, fit

POST_REQUEST = next(hook for hook in HOOKS if hook.name == "post_request")


def test_function_that_takes_all_is_left_as_it_is() -> None:
    """No wrapper stands in the way."""

    def hook(worker: object, request: object, environ: object, response: object) -> None: ...

    assert fit(POST_REQUEST, hook) is hook
    assert fit(POST_REQUEST, print) is print


def test_function_that_takes_fewer_gets_the_first_ones() -> None:
    """The rest is dropped."""
    assert fit(POST_REQUEST, lambda worker, request, environ: (worker, request, environ))(1, 2, 3, 4) == (1, 2, 3)
    assert fit(POST_REQUEST, lambda worker, request, *, more=5: more)(1, 2, 3, 4) == 5


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.name)
def test_function_that_takes_none_is_refused(hook: Hook) -> None:
    """The error says how many there are, and when it would be called."""
    with pytest.raises(ValueError, match="takes other arguments than the"):
        fit(hook, lambda: None)
