# docs: its part of the Makefile

dist_doc_DATA = README.md docs/ARCHITECTURE.md docs/GUARANTEES.md docs/PERFORMANCE.md docs/SECURITY.md docs/TRANSPORT.md docs/WIRE.md
