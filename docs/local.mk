# docs: its part of the Makefile

dist_doc_DATA = README.md docs/ARCHITECTURE.md docs/GUARANTEES.md docs/PERFORMANCE.md docs/REGRESSIONS.md docs/SECURITY.md \
	docs/TRANSPORT.md docs/VERIFICATION.md docs/WIRE.md

# that the tests named there exist
TESTS += test/docs_regressions
EXTRA_DIST += test/docs_regressions
