# docs: its part of the Makefile
