"""What `tests/unit/codegen/test_odd_documents.py` does, with many documents, and others each time.

What fails is printed with the way to make it again.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from codegen.operation import Json
from tests.unit.codegen.odd_documents import documents
from tests.unit.codegen.test_odd_documents import hold

pytestmark = pytest.mark.heavy

MANY = settings(
    max_examples=1500, deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck)
)


@MANY
@given(documents(most_components=6))
def test_what_is_generated_imports_and_takes_what_the_document_allows(document: Json) -> None:
    hold(document)
