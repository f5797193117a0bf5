"""The typed operations of the storyboard, which are committed so that its build needs no generator."""

import pytest

from tests.support.typed_operations import MODULE, generated


@pytest.mark.sqlite_alone
def test_the_committed_module_is_what_the_schema_and_the_documents_generate() -> None:
    """After a change of either, `make operations` writes it again."""
    assert MODULE.read_text("utf-8") == generated(), "run make operations"
